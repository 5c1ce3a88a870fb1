import ArgumentParser
import Autograd
import Checkpoints
import Foundation
import PointCloud
import Support
import Tensor

/// `train`: one network.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Train a network on scans of one sensor.",
    discussion: """
      The scans are a folder as SemanticKITTI has it, or simulated as they are needed. The output is a \
      folder: run.json (settings), log.jsonl, checkpoints, report.html, report.json and, at the end, \
      model.safetensors. Run the same command again to go on after an interruption; the numbers are \
      those of a run without one.

      EXAMPLES
        apus-lidar train --simulated 120 --sensor hdl64e --output run
        apus-lidar train --simulated 120 --front-end constant --no-augmentation --output base
        apus-lidar train --data SemanticKITTI --size base --ddfe paper --steps 40000 --output kitti
        apus-lidar train --simulated 120 --evaluation-sensors hdl64e,vlp16 --output run
      """
  )

  @Option(name: .shortAndLong, help: ArgumentHelp("The folder of the run.", valueName: "folder"))
  var output: String
  @Option(help: "The name of the run's row in tables. (default: what it is made of)")
  var name: String?
  @OptionGroup(title: "Scans") var data: TrainingScanArguments
  @OptionGroup(title: "Network") var network: NetworkArguments
  @OptionGroup(title: "Training") var training: TrainingArguments
  @OptionGroup(title: "Evaluation") var heldOut: HeldOutArguments
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    if let interval = heldOut.evaluationInterval, heldOut.evaluationSensors == nil {
      throw ValidationError("--evaluation-interval \(interval) needs --evaluation-sensors")
    }
  }

  func run() throws {
    machine.apply()
    let map = network.classes.map
    let scans = try data.scans(map)
    let tests = try heldOut.sets(map)
    try claimFolder(output, holding: TrainedRun.fileName)
    let configuration = network.configuration(for: scans.sensor)
    if let flaw = configuration.flaw { throw CommandFailure("the network cannot be: \(flaw)") }
    let run = TrainedRun(
      name: name ?? defaultName,
      configuration: configuration,
      training: training.options,
      scans: data.description(of: scans),
      sensor: scans.sensor
    )
    try SettingsFile.claim(run, at: output + "/" + TrainedRun.fileName, what: "run")
    var generator = Philox(seed: training.seed).fork(0)
    let model = PointSegmenter(configuration, using: &generator)
    let report = try train(model, scans, tests)
    if report.ending == .stopped {
      try Cancellation.check("run the same command to go on after step \(report.step)")
    }
    model.eval()
    try model.write(to: output + "/" + TrainedRun.weightsName)
    try writeReport(run, model)
  }

  private func train(
    _ model: PointSegmenter,
    _ scans: ScanSet,
    _ tests: [ScanSet]
  ) throws -> TrainingReport {
    var options = training.options
    options.checkpointInterval = training.checkpointInterval
    options.evaluationInterval = heldOut.evaluationInterval
    let reporter = display.progress("training", unit: "steps")
    defer { reporter.clear() }
    // Before the first step all scans are looked at, which may take longer than one likes to wait.
    var (hasBegun, looked) = (false, 0)
    let watched = ScanSet(name: scans.name, of: scans.sensor, count: scans.count) { index in
      if !hasBegun {
        try Cancellation.check("nothing was trained yet")
        looked += 1
        reporter.update(completed: 0, total: options.steps, note: "measuring scans, \(looked)")
      }
      return try scans.scan(index)
    }
    var run = SegmentationTraining(at: output, of: model, on: watched, options)
    run.shouldStop = {
      hasBegun = true
      return Cancellation.isRequested
    }
    if !tests.isEmpty { run.evaluation = { try Self.measure(model, on: tests) } }
    return try run.run { progress in
      reporter.update(completed: progress.step, total: progress.total, note: Self.note(progress))
    }
  }

  /// The mean IoU on each set, classes that are nowhere counting as 0.
  private static func measure(
    _ model: PointSegmenter,
    on tests: [ScanSet]
  ) throws -> [String: Double] {
    var values: [String: Double] = [:]
    for test in tests {
      let confusion = try model.confusion(on: test)
      values[TrainedRun.metric(of: test.name)] = confusion.meanIntersectionOverUnion(absent: .zero)
    }
    return values
  }

  private static func note(_ progress: TrainingProgress) -> String {
    let measured = progress.metrics.filter { TrainedRun.sensor(ofMetric: $0.key) != nil }
    let parts = measured.sorted { $0.key < $1.key }.map { "\($0.key) \((100 * $0.value).fixed(1))" }
    let loss = progress.metrics["loss"].map { ["loss \($0.fixed(3))"] } ?? []
    return (loss + parts).joined(separator: ", ")
  }

  private var defaultName: String {
    network.name + (training.augmentation ? " + augmentation" : "")
  }

  private func writeReport(_ run: TrainedRun, _ model: PointSegmenter) throws {
    let log = try RunLog.read(output + "/log.jsonl")
    let summary = TrainingSummary(run, model, log, folder: output)
    try AtomicFile.write(try jsonText(summary) + "\n", to: output + "/report.json")
    try AtomicFile.write(summary.page(log).html(), to: output + "/report.html")
    let stream = StandardStream.output
    try stream.writeLine(
      display.json ? jsonText(summary) : summary.table.text(width: stream.columnCount)
    )
  }
}
