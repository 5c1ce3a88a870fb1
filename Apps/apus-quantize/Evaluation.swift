import Support
import Transformer

/// The perplexity of one model on one text, and what it cost to find.
struct Evaluation: Encodable {
  var model: String
  var method: String
  var parameters: Int
  var bytes: Int
  var bitsPerWeight: Double
  var perplexity: ReportNumber
  var meanLoss: ReportNumber
  /// The perplexity minus that of the first model; nil for the first.
  var delta: ReportNumber?
  var tokens: Int
  var windows: Int
  var seconds: Double
  var windowLosses: [ReportNumber]
  var options: PerplexityOptions

  /// Reads the text with the model, telling what it finds as it goes.
  init(
    _ file: ModelFile,
    text: TextFile,
    arguments: EvaluationArguments,
    output: OutputArguments
  ) throws {
    let options = try file.perplexityOptions(arguments)
    let start = secondsOfUptime()
    let tokens = try file.tokens(of: text.text)
    try Cancellation.check()
    let model = try file.makeModel()
    try Cancellation.check()
    let progress = output.progress(file.name, unit: "windows")
    defer { progress.clear() }
    let report = try model.perplexity(of: tokens, options: options) { report in
      progress.update(
        completed: report.windowLosses.count,
        total: report.windowCount,
        note: "perplexity \(report.perplexity.fixed(3))"
      )
      return !Cancellation.isRequested
    }
    try Cancellation.check()
    progress.finish()
    self.init(file, report: report, options: options, seconds: secondsOfUptime() - start)
  }

  private init(
    _ file: ModelFile,
    report: PerplexityReport,
    options: PerplexityOptions,
    seconds: Double
  ) {
    model = file.path
    method = file.method
    parameters = file.parameterCount
    bytes = file.byteCount
    bitsPerWeight = file.bitsPerWeight
    perplexity = ReportNumber(report.perplexity)
    meanLoss = ReportNumber(report.meanLoss)
    tokens = report.tokenCount
    windows = report.windowLosses.count
    self.seconds = seconds
    windowLosses = report.windowLosses.map { ReportNumber($0) }
    self.options = options
  }
}

extension Evaluation {
  /// The evaluations side by side, each with its distance to the first.
  static func table(_ evaluations: [Evaluation]) -> Table {
    var table = Table([
      "model", "method", .number("bits/weight"), .number("bytes"), .number("perplexity"),
      .number("delta"),
    ])
    for evaluation in evaluations {
      table.add(
        evaluation.model,
        evaluation.method,
        evaluation.bitsPerWeight.fixed(3),
        byteCount(evaluation.bytes),
        evaluation.perplexity.value.fixed(4),
        evaluation.delta?.value.signed(4) ?? ""
      )
    }
    return table
  }

  /// The evaluations with their distances to the first.
  static func compared(_ evaluations: [Evaluation]) -> [Evaluation] {
    guard let first = evaluations.first else { return [] }
    return [first]
      + evaluations.dropFirst().map { evaluation in
        var evaluation = evaluation
        evaluation.delta = ReportNumber(evaluation.perplexity.value - first.perplexity.value)
        return evaluation
      }
  }
}
