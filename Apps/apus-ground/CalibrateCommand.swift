import ArgumentParser
import GUIGrounding
import GUIGroundingRemote
import Support

/// `calibrate`: what the numbers of a model mean.
struct CalibrateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "Find out what the numbers of a vision model's answers mean.",
    discussion: """
      Asks for five coloured squares on pages of three shapes (15 requests at temperature 0), and says \
      which space and order explain the answers. A wrong one gives bad results without an error: run \
      this once for each server. Where the answers decide nothing the command ends with status 1.

      EXAMPLES
        apus-ground calibrate --endpoint http://127.0.0.1:8000/v1 --model qwen --family qwen2.5-vl
      """
  )

  @OptionGroup(title: "Policy") var policy: PolicyArguments
  @Option(help: "The longest response in tokens.")
  var maxTokens = 512
  @OptionGroup(title: "Output") var display: OutputArguments

  func validate() throws {
    guard policy.remote.endpoint != nil else {
      throw ValidationError("calibrate asks a server: --endpoint is needed")
    }
    guard (1...1_000_000).contains(maxTokens) else {
      throw ValidationError("--max-tokens must be above 0")
    }
  }

  func run() async throws {
    guard case .remote(let remote) = try policy.load() else { return }
    let reporter = display.progress("asking", unit: "squares")
    defer { reporter.clear() }
    let report = try await remote.calibrate(maxTokens: maxTokens) {
      reporter.update(completed: $0, total: $1)
    }
    reporter.clear()
    let stream = StandardStream.output
    let advice = advice(report, remote.family.coordinates)
    if display.json {
      try stream.writeLine(jsonText(report))
      return try check(report, advice)
    }
    var table = Table(["space", "order", .number("in the square"), .number("mean error")])
    for hypothesis in report.hypotheses {
      table.add(
        hypothesis.convention.space.rawValue,
        hypothesis.convention.order.rawValue,
        "\(hypothesis.hits) of \(report.answers.count)",
        (100 * hypothesis.meanError).fixed(1) + " %"
      )
    }
    try stream.writeLine(table.text(width: stream.columnCount))
    try check(report, advice)
    try stream.writeLine("\n" + advice)
  }

  /// Fails where nothing was found out, so that scripts see it.
  private func check(_ report: CalibrationReport, _ advice: String) throws(CommandFailure) {
    switch report.verdict {
    case .clear, .resized: return
    case .ambiguous, .unexplained, .unanswered: throw CommandFailure(advice)
    }
  }

  private func advice(_ report: CalibrationReport, _ chosen: CoordinateConvention) -> String {
    let name = policy.remote.family
    switch report.verdict {
    case .clear where report.supports(chosen): return "the family \(name) is right"
    case .clear:
      guard let found = report.convention else { return "" }
      let others = report.equivalents.filter { $0.space != .imagePixels }
      return "the family \(name) is wrong: add --space \(found.space.rawValue) --order "
        + found.order.rawValue
        + others.map { " (or --space \($0.space.rawValue): these answers fit both)" }.joined()
    case .ambiguous: return "several explain the answers: the model points too loosely to tell"
    case .resized:
      let sizes = report.fits.map { fit in
        "\(fit.sent) as \(fit.extent.x.fixed(0))×\(fit.extent.y.fixed(0))"
      }
      return "the server resizes pictures (\(sizes.joined(separator: ", "))): set --min-pixels and "
        + "--max-pixels to its limits"
    case .unexplained: return "nothing explains the answers: the model does not find the squares"
    case .unanswered: return "most answers hold no numbers: try another --template"
    }
  }
}
