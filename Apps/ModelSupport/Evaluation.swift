package import Support
package import Transformer

/// The perplexity of one model on one text, and what it cost to find.
package struct Evaluation: Encodable {
  package var model: String
  package var method: String
  package var parameters: Int
  package var bytes: Int
  package var bitsPerWeight: Double
  package var perplexity: ReportNumber
  package var meanLoss: ReportNumber
  /// The perplexity minus that of the first model; nil for the first.
  package var delta: ReportNumber?
  /// The mean divergence of the predictions from the first model's, in nats; nil for the first, and where
  /// the models read different tokens.
  package var klDivergence: ReportNumber?
  /// The share of tokens where both find the same one likeliest.
  package var topAgreement: ReportNumber?
  package var tokens: Int
  package var windows: Int
  package var seconds: Double
  package var windowLosses: [ReportNumber]
  package var options: PerplexityOptions

  /// Reads the text with the model, telling what it finds as it goes.
  package init(
    _ file: ModelFile,
    text: TextFile,
    arguments: EvaluationArguments,
    computation: Computation = .exact,
    output: OutputArguments
  ) throws {
    let options = try file.perplexityOptions(arguments)
    let start = secondsOfUptime()
    let tokens = try file.tokens(of: text.text)
    try Cancellation.check()
    let model = try file.makeModel(computation)
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

  /// Reads the text with all models; those with the tokens of the first read it together with it.
  package static func all(
    _ files: [ModelFile],
    text: TextFile,
    arguments: EvaluationArguments,
    computation: Computation = .exact,
    output: OutputArguments
  ) throws -> [Evaluation] {
    guard let first = files.first, files.count > 1 else {
      return try files.map { file in
        try Evaluation(
          file,
          text: text,
          arguments: arguments,
          computation: computation,
          output: output
        )
      }
    }
    let reference = try EvaluationReference(
      first,
      text: text,
      arguments: arguments,
      computation: computation,
      keptBytes: 0
    )
    return try all(reference, Array(files.dropFirst()), output: output)
  }

  /// Reads the text with a reference and with models; those that have other tokens read it alone.
  package static func all(
    _ reference: EvaluationReference,
    _ files: [ModelFile],
    output: OutputArguments
  ) throws -> [Evaluation] {
    guard try files.allSatisfy({ try reference.hasTokens(of: $0) }) else {
      return compared(
        try ([reference.file] + files).map { file in
          try Evaluation(
            file,
            text: reference.text,
            arguments: reference.arguments,
            computation: reference.computation,
            output: output
          )
        }
      )
    }
    let start = secondsOfUptime()
    let reading = try reference.reading()
    let models = try files.map { try $0.makeModel(reference.computation) }
    try Cancellation.check()
    let progress = output.progress("reading", unit: "windows")
    defer { progress.clear() }
    let comparison = reading.compared(with: models) { state in
      let all = [state.reference] + state.models.map(\.perplexity)
      progress.update(
        completed: state.reference.windowLosses.count,
        total: state.reference.windowCount,
        note: "perplexity " + all.map { $0.perplexity.fixed(3) }.joined(separator: ", ")
      )
      return !Cancellation.isRequested
    }
    try Cancellation.check()
    progress.finish()
    let seconds = (secondsOfUptime() - start) / Double(files.count + 1)
    let options = reference.options
    var evaluations = [
      Evaluation(
        reference.file,
        report: comparison.reference,
        options: options,
        seconds: seconds
      )
    ]
    for (file, report) in zip(files, comparison.models) {
      var evaluation = Evaluation(
        file,
        report: report.perplexity,
        options: options,
        seconds: seconds
      )
      evaluation.klDivergence = ReportNumber(report.klDivergence)
      evaluation.topAgreement = ReportNumber(report.topAgreement)
      evaluations.append(evaluation)
    }
    return compared(evaluations)
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
  package static func table(_ evaluations: [Evaluation]) -> Table {
    var table = Table([
      "model", "method", .number("bits/weight"), .number("bytes"), .number("perplexity"),
      .number("delta"), .number("KL"), .number("top-1"),
    ])
    for evaluation in evaluations {
      table.add(
        evaluation.model,
        evaluation.method,
        evaluation.bitsPerWeight.fixed(3),
        byteCount(evaluation.bytes),
        evaluation.perplexity.value.fixed(4),
        evaluation.delta?.value.signed(4) ?? "",
        evaluation.klDivergence?.value.fixed(4) ?? "",
        evaluation.topAgreement.map { "\((100 * $0.value).fixed(1))%" } ?? ""
      )
    }
    return table
  }

  /// The evaluations with their distances to the first.
  package static func compared(_ evaluations: [Evaluation]) -> [Evaluation] {
    guard let first = evaluations.first else { return [] }
    return [first]
      + evaluations.dropFirst().map { evaluation in
        var evaluation = evaluation
        evaluation.delta = ReportNumber(evaluation.perplexity.value - first.perplexity.value)
        return evaluation
      }
  }
}
