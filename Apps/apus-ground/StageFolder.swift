import Autograd
import Checkpoints
import Foundation
import GUIGrounding
import Support

/// What decides the numbers of a training run: `run.json` in its folder.
struct StageRun<Options: Codable>: Codable {
  /// sft, rl or consist.
  var stage: String
  var policy: NativePolicyConfiguration
  /// The policy that the run began with; nil for random numbers.
  var from: String?
  var data: SourceDescription
  var options: Options
  var rewards: String?
  var version = "0.1.0"
}

/// The folder of a training run: run.json, log.jsonl, checkpoints, report.html, report.json and
/// policy.safetensors.
struct StageFolder {
  static let runName = "run.json"

  let path: String

  /// Begins a run, or goes on with the one that is there.
  static func claim(
    _ path: String,
    for run: StageRun<some Codable>
  ) throws -> StageFolder {
    try claimFolder(path, holding: runName)
    try SettingsFile.claim(run, at: path + "/" + runName, what: "run")
    return StageFolder(path: path)
  }

  /// Writes the policy and the reports, and says what came of the run.
  func finish(
    _ policy: NativeGroundingPolicy,
    _ report: TrainingReport,
    _ display: OutputArguments
  ) throws {
    if report.ending == .stopped {
      try Cancellation.check("run the same command to go on after step \(report.step)")
    }
    policy.eval()
    try policy.write(to: path + "/" + NativeFile.name)
    let summary = try StageSummary(self, parameterCount: policy.parameterCount.total)
    try AtomicFile.write(try jsonText(summary) + "\n", to: path + "/report.json")
    try AtomicFile.write(try page().html(), to: path + "/report.html")
    let stream = StandardStream.output
    try stream.writeLine(
      display.json ? jsonText(summary) : summary.table.text(width: stream.columnCount)
    )
  }

  /// The log of the run.
  func log() throws -> [RunRecord] { try RunLog.read(path + "/log.jsonl") }

  /// The page of the run: curves and settings.
  func page() throws -> ReportPage {
    let settings = try JSONValue.read(path + "/" + Self.runName)
    let log = try log()
    let stage = settings["stage"]?.stringValue ?? "run"
    var page = ReportPage(title: "Grounding policy, \(stage)")
    let last = Self.lastMetrics(log)
    let rows = last.sorted { $0.key < $1.key }.map { [$0.key, $0.value.short] }
    page.add(
      paragraph: "Step \((log.last?.step ?? 0).grouped), \(durationText(log.last?.seconds ?? 0))."
    )
    let curves = CurveReport.Run(name: "training", records: log)
    for metric in Self.chartOrder(last.keys.sorted()) {
      let series = curves.series(of: metric)
      guard series.points.count > 1 else { continue }
      let smoothing = series.points.count > 40 ? 0.9 : 0
      page.add(
        CurveChart(title: metric, horizontal: "step", smoothing: smoothing, series: [series])
      )
    }
    if last["dead groups"] != nil {
      page.add(
        paragraph:
          "Dead groups are examples whose responses all have the same reward: their advantages "
          + "are 0, and they teach nothing in that step."
      )
    }
    page.add(heading: "Last values")
    page.add(table: ["metric", "value"], rows: rows)
    page.add(heading: "Settings")
    page.add(table: ["setting", "value"], rows: settings.flattened())
    return page
  }

  /// The value of each metric when it was last logged.
  static func lastMetrics(_ log: [RunRecord]) -> [String: Double] {
    log.reduce(into: [:]) { $0.merge($1.metrics) { $1 } }
  }

  /// What matters first, then the rest by name.
  private static func chartOrder(_ metrics: [String]) -> [String] {
    let first = [
      "greedy accuracy", "accuracy of samples", "sampled accuracy", "reward", "loss", "format",
      "entropy", "dead groups",
    ]
    return first.filter(metrics.contains) + metrics.filter { !first.contains($0) }
  }
}

extension JSONValue {
  /// Paths and values, for a table of settings.
  func flattened(_ path: String = "") -> [[String]] {
    if let object = objectValue {
      return object.flatMap { key, value in
        value.flattened(path.isEmpty ? key : path + "." + key)
      }
    }
    return [[path, stringValue ?? serialized()]]
  }
}

/// What a training run did.
struct StageSummary: Encodable {
  var step: Int
  var metrics: [String: ReportNumber]
  /// Of all sessions.
  var seconds: Double
  var parameterCount: Int
  var peakProcessBytes: Int?
  var policy: String

  init(_ folder: StageFolder, parameterCount: Int) throws {
    let log = try folder.log()
    step = log.last?.step ?? 0
    metrics = StageFolder.lastMetrics(log).mapValues { ReportNumber($0) }
    seconds = log.last?.seconds ?? 0
    self.parameterCount = parameterCount
    peakProcessBytes = log.compactMap(\.memory.residentBytes).max()
    policy = folder.path + "/" + NativeFile.name
  }

  var table: Table {
    var table = Table(["result", .number("value")])
    table.add("steps", step.grouped)
    for (name, value) in metrics.sorted(by: { $0.key < $1.key }) {
      table.add(name, value.value.short)
    }
    table.add("parameters", parameterCount.grouped)
    table.add("time", durationText(seconds))
    if let peakProcessBytes { table.add("memory, most", byteCount(peakProcessBytes)) }
    table.add("policy", policy)
    return table
  }
}

/// A line beside the bar of a training run.
func trainingNote(_ progress: TrainingProgress) -> String {
  let names = [
    ("loss", "loss"), ("reward", "reward"), ("sampled accuracy", "hits"), ("format", "form"),
    ("dead groups", "dead"), ("greedy accuracy", "greedy"),
  ]
  return names.compactMap { name, short in
    progress.metrics[name].map { "\(short) \($0.fixed(3))" }
  }.joined(separator: ", ")
}
