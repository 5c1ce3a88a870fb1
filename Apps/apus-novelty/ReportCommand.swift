import ArgumentParser
import Autograd
import Checkpoints
import Foundation
import Novelty
import Support
import Tensor

/// `report`: a page about detectors.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Draw how detectors tell novel samples from normal ones.",
    discussion: """
      One HTML file without links: ROC curves, histograms of scores, the Gram matrix of normal latents, \
      and the most and least novel images. Of MNIST's files the test set is used. Give a detector that \
      was trained without the orthogonal embedding (aae) before one with it (oaae), and the two Gram \
      matrices show what it does.

      EXAMPLES
        apus-novelty train mnist --novel 1 --detector aae --output aae.safetensors
        apus-novelty train mnist --novel 1 --output oaae.safetensors
        apus-novelty report aae.safetensors oaae.safetensors --data mnist --novel 1 --output page.html
      """
  )

  @Argument(help: "Files that 'train' has written.")
  var models: [String]
  @Option(help: ArgumentHelp("The folder or file of labelled samples.", valueName: "path"))
  var data: String
  @Option(parsing: .upToNextOption, help: "The classes that are novel.")
  var novel: [String]
  @Option(name: .shortAndLong, help: ArgumentHelp("The file to write.", valueName: "file"))
  var output: String
  @Option(help: "The most samples.")
  var limit = 10_000
  @Option(help: "The most and the least novel images, of each so many.")
  var images = 16
  @Flag(help: "Resize images of other sizes than the detectors'.")
  var resize = false
  @OptionGroup(title: "Data") var vectors: VectorArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard !models.isEmpty, !novel.isEmpty else { throw ValidationError("give models and --novel") }
    guard limit > 1, (0...1000).contains(images) else {
      throw ValidationError("--limit must be above 1, --images from 0 to 1000")
    }
  }

  func run() throws {
    machine.apply()
    let detectors = try models.map { try noveltyDetector(contentsOf: $0) }
    let shape = detectors[0].sampleShape ?? []
    if let other = detectors.indices.first(where: { detectors[$0].sampleShape != shape }) {
      throw CommandFailure("\(models[other]) takes other samples than \(models[0])")
    }
    var reader = SampleReader(
      vectors,
      ImageTarget(for: shape, resizes: resize),
      advice: "give --resize to resize it"
    )
    let samples = try reader.read(data, part: .test)
    guard samples.sampleShape == shape else {
      throw CommandFailure("\(data): samples \(samples.sampleShape), the detectors take \(shape)")
    }
    for line in reader.images.skipped {
      try StandardStream.error.writeLine("left out: \(line.printable)")
    }
    try samples.check(classes: novel, option: "--novel")
    let cases = try ReportCases(samples, novel: novel, limit: limit)
    let reporter = display.progress("scoring", unit: "detectors")
    var parts: [ReportPart] = []
    for (index, detector) in detectors.enumerated() {
      reporter.update(completed: index, total: detectors.count, note: models[index])
      try Cancellation.check("nothing was written")
      parts.append(try ReportPart(detector, models[index], cases))
    }
    reporter.clear()
    let page = try NoveltyPage(cases, parts, imageCount: images)
    try AtomicFile.write(page.html(), to: output)
    try StandardStream.output.writeLine(
      display.json
        ? jsonText(parts.map(\.summary))
        : Self.table(parts.map(\.summary)).text(width: StandardStream.output.columnCount)
    )
  }

  private static func table(_ summaries: [ReportSummary]) -> Table {
    var table = Table(["detector", .number("AUROC"), .number("AP"), .number("FPR at 95 % TPR")])
    for summary in summaries {
      let metrics = summary.metrics
      table.add(
        summary.model,
        metrics.auroc.fixed(4),
        metrics.averagePrecision.fixed(4),
        metrics.falsePositiveRateAt95.fixed(4)
      )
    }
    return table
  }
}

/// The samples of a report, and which of them are novel.
struct ReportCases {
  let inputs: Tensor<Float>
  let classes: [String]
  let isNovel: [Bool]
  let places: [SamplePlace]
  let isImage: Bool

  init(_ samples: Samples, novel: [String], limit: Int) throws(CommandFailure) {
    var generator = Philox(seed: 0)
    let order = Tensor.permutation(samples.count, using: &generator).elements.map { Int($0) }
    let used = order.prefix(limit).sorted()
    inputs = samples[used]
    let classes = samples.classes ?? []
    self.classes = used.map { classes[$0] }
    isNovel = self.classes.map { novel.contains($0) }
    places = used.map { samples.places[$0] }
    isImage = samples.isImage
    guard isNovel.contains(true), isNovel.contains(false) else {
      throw CommandFailure("the samples are all novel or all normal; both kinds are needed")
    }
  }
}

/// What one detector makes of the samples.
struct ReportPart {
  let detector: any NoveltyDetector
  let scores: [Float]
  let summary: ReportSummary
  let curve: ROCCurve

  init(_ detector: any NoveltyDetector, _ model: String, _ cases: ReportCases) throws {
    self.detector = detector
    scores = try detector.scores(of: cases.inputs)
    curve = try ROCCurve(scores: scores, isNovel: cases.isNovel)
    summary = ReportSummary(
      model: model,
      kind: Swift.type(of: detector).kind,
      metrics: try NoveltyMetrics(scores: scores, isNovel: cases.isNovel),
      threshold: try detector.calibration?.threshold(),
      geometry: try (detector as? OAAE).map { try GramMatrix($0, cases).geometry }
    )
  }
}

/// The numbers of one detector in a report.
struct ReportSummary: Codable {
  var model: String
  var kind: String
  var metrics: NoveltyMetrics
  var threshold: Float?
  var geometry: GramGeometry?
}
