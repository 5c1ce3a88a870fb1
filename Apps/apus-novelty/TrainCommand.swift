import ArgumentParser
import Checkpoints
import Foundation
import Novelty
import Support
import Tensor

/// `train`: one detector.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Learn what is normal.",
    discussion: """
      Of MNIST's files the training set is used. Some samples are held back: by the first part \
      training stops early, by the second the threshold is set. The output is one file with the \
      weights, the configuration and the threshold. Run the same command again to go on after an \
      interruption; autoencoders keep their state beside the output until they are done.

      EXAMPLES
        apus-novelty train mnist --novel 1 --profile small --output digits.safetensors
        apus-novelty train photos/normal --size 28 --detector aae --output photos.safetensors
        apus-novelty train embeddings.npy --detector mahalanobis --fpr 0.01 --output text.safetensors
      """
  )

  @Argument(help: "The folder or file of normal samples.")
  var data: String
  @Option(name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "file"))
  var output: String
  @Option(help: ArgumentHelp("The method.", valueName: "method"))
  var detector = DetectorMethod.oaae
  @Option(
    help: "The score of autoencoders; angle for OAAE, sap for aae and ae by default.",
    transform: { try NoveltyScore(named: $0) }
  )
  var score: NoveltyScore?
  @Option(
    parsing: .upToNextOption,
    help: "The scores that an autoencoder's file can give; fewer make it smaller. All by default.",
    transform: { try NoveltyScore(named: $0) }
  )
  var scores: [NoveltyScore] = []
  @Option(parsing: .upToNextOption, help: "Classes that are novel, and left out.")
  var novel: [String] = []
  @Option(help: "The share of samples that decides when training stops.")
  var validationShare = 0.1
  @Option(help: "The share of samples that sets the threshold.")
  var calibrationShare = 0.2
  @Option(help: "The most samples.")
  var limit: Int?
  @Option(help: "The seed of weights, batches and what is held back.")
  var seed: UInt64 = 0
  @OptionGroup(title: "Detector") var settings: DetectorArguments
  @OptionGroup(title: "Threshold") var threshold: ThresholdArguments
  @OptionGroup(title: "Images") var images: ImageArguments
  @OptionGroup(title: "Data") var vectors: VectorArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    let shares = [validationShare, calibrationShare]
    guard shares.allSatisfy({ (0..<1).contains($0) }), validationShare + calibrationShare < 1,
      calibrationShare > 0
    else {
      throw ValidationError("shares lie in 0 ..< 1, so does their sum; --calibration-share above 0")
    }
    guard limit ?? 1 > 0 else { throw ValidationError("--limit must be above 0") }
  }

  func run() throws {
    machine.apply()
    try checkOutput()
    var reader = SampleReader(vectors, images.target, advice: "give --size to resize all")
    let samples = try reader.read(data, part: .training)
    try warn(reader.images.skipped)
    let parts = try TrainingParts(samples, self)
    let rule = threshold.rule ?? .standard
    // The rule may need more samples than are held back: known now, not after the training.
    _ = try NoveltyCalibration(normalScores: parts.calibration.map { _ in 0 }, rule: rule)
    try warn(parts, samples)
    let found = try configured(samples).makeDetector(seed: seed)
    let report = try fit(found, parts.normalData(of: samples))
    let calibration = try found.calibrate(on: samples[parts.calibration], rule: rule)
    try found.save(to: output)
    // At once: from a part of them the same command could not go on.
    _ = FolderRemoval.remove(checkpoints)
    let summary = TrainingSummary(
      file: output,
      method: detector.rawValue,
      samples: parts.training.count,
      classCount: samples.classes.map { classes in Set(parts.training.map { classes[$0] }).count },
      epochs: report.epochs.count,
      losses: report.epochs.last?.losses ?? [:],
      geometry: report.epochs.last?.geometry,
      calibrationSamples: parts.calibration.count,
      rule: rule.text,
      threshold: try calibration.threshold(),
      skippedFiles: reader.images.skipped.count,
      seconds: report.seconds
    )
    try StandardStream.output.writeLine(
      display.json
        ? jsonText(summary) : summary.table.text(width: StandardStream.output.columnCount)
    )
  }

  private var checkpoints: String { output + ".checkpoints" }

  private func checkOutput() throws {
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: output, isDirectory: &isFolder)
    guard !exists || !isFolder.boolValue else {
      throw CommandFailure("--output \(output) is a folder; choose a file")
    }
    let folder = URL(filePath: output).deletingLastPathComponent().path(percentEncoded: false)
    guard FileManager.default.isWritableFile(atPath: folder) else {
      throw CommandFailure("--output \(output): its folder is missing or cannot be written")
    }
  }

  private func configured(_ samples: Samples) throws -> DetectorChoice {
    let choice = settings.choice(detector, for: samples)
    guard score != nil || !scores.isEmpty else { return choice }
    guard case .oaae(var configuration) = choice else {
      throw CommandFailure(
        "--score and --scores are for autoencoders; \(detector.rawValue) has one score"
      )
    }
    configuration.score = score ?? configuration.score
    if !scores.isEmpty {
      let wanted = Set(scores + [configuration.score])
      configuration.scores = configuration.scores.filter { wanted.contains($0) }
    }
    return .oaae(configuration)
  }

  private func fit(_ detector: any NoveltyDetector, _ data: NormalData) throws -> FitReport {
    let reporter = display.progress("training", unit: "epochs")
    let options = FitOptions(
      checkpointPath: checkpoints,
      progress: { state in
        reporter.update(completed: state.epoch, total: state.epochs, note: state.record.note)
      },
      shouldStop: { Cancellation.isRequested }
    )
    let report = try detector.fit(data, options: options)
    reporter.clear()
    if report.ending == .interrupted {
      try Cancellation.check("run the same command to go on")
      throw CommandFailure("the training was interrupted; run the same command to go on")
    }
    return report
  }

  /// Says where OAAE's embedding has nothing to separate.
  private func warn(_ parts: TrainingParts, _ samples: Samples) throws {
    let classes = samples.classes.map { classes in Set(parts.training.map { classes[$0] }) } ?? []
    guard detector == .oaae, classes.count < 2, !display.quiet else { return }
    try StandardStream.error.writeLine(
      "\(classes.isEmpty ? "no labels" : "one class"): the embedding has nothing to separate, so this "
        + "is an adversarial autoencoder"
    )
  }

  private func warn(_ skipped: [String]) throws {
    for line in skipped { try StandardStream.error.writeLine("left out: \(line.printable)") }
  }
}

extension EpochRecord {
  /// The losses, and how the latents lie.
  var note: String {
    var parts = losses.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.short)" }
    if let geometry {
      if let cosine = geometry.meanAbsoluteCosine { parts.append("|cos| \(cosine.fixed(2))") }
      parts.append("rank90 \(geometry.rank90.fixed(1))")
    }
    return parts.joined(separator: ", ")
  }
}

/// Which samples train, and which are held back.
private struct TrainingParts {
  let training: [Int]
  let validation: [Int]
  let calibration: [Int]
  private let labels: [Int32]?

  init(_ samples: Samples, _ command: TrainCommand) throws {
    if !command.novel.isEmpty { try samples.check(classes: command.novel, option: "--novel") }
    let normal = samples.places.indices.filter { index in
      samples.classes.map { !command.novel.contains($0[index]) } ?? true
    }
    var generator = Philox(seed: command.seed).fork(1)
    let order = Tensor.permutation(normal.count, using: &generator).elements.map { normal[Int($0)] }
    let used = Array(order.prefix(command.limit ?? order.count))
    let validationCount = Int(command.validationShare * Double(used.count))
    let calibrationCount = Int(command.calibrationShare * Double(used.count))
    validation = Array(used[..<validationCount])
    calibration = Array(used[validationCount..<validationCount + calibrationCount])
    training = Array(used[(validationCount + calibrationCount)...])
    labels = samples.classes.map { Samples.numbers(of: $0) }
    guard training.count > 1, !calibration.isEmpty else {
      throw CommandFailure(
        "\(used.count.counted("normal sample")), of which \(training.count) train and "
          + "\(calibration.count) set the threshold; give more"
      )
    }
  }

  func normalData(of samples: Samples) -> NormalData {
    NormalData(
      inputs: samples[training],
      labels: labels.map { labels in training.map { labels[$0] } },
      validation: validation.isEmpty ? nil : samples[validation]
    )
  }
}

/// What `train` did.
struct TrainingSummary: Codable {
  var file: String
  var method: String
  var samples: Int
  var classCount: Int?
  var epochs: Int
  var losses: [String: Double]
  var geometry: LatentGeometry?
  var calibrationSamples: Int
  var rule: String
  var threshold: Float
  var skippedFiles: Int
  var seconds: Double

  var table: Table {
    var table = Table(["result", .number("value")])
    table.add("file", file)
    table.add("method", method)
    table.add("training samples", samples.grouped)
    if let classCount { table.add("classes", classCount.grouped) }
    if epochs > 0 { table.add("epochs", epochs.grouped) }
    for (name, value) in losses.sorted(by: { $0.key < $1.key }) { table.add(name, value.short) }
    if let cosine = geometry?.meanAbsoluteCosine {
      table.add("mean |cos| of class means", cosine.fixed(3))
    }
    table.add("samples for the threshold", calibrationSamples.grouped)
    table.add("rule", rule)
    table.add("threshold", threshold.short)
    table.add("seconds", seconds.fixed(1))
    return table
  }
}
