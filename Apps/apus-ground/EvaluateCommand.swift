import ArgumentParser
import Checkpoints
import Foundation
import GUIGrounding
import Support

/// `eval`: how often a policy is right.
struct EvaluateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval",
    abstract: "Measure a policy on a data set, by several methods, with what they cost.",
    discussion: """
      METHODS: greedy (one call), sampled (one drawn response), vote (16 responses, no crop), two-calls \
      (greedy, then greedy on a crop), full (vote, crop, vote). Every item has random numbers of its \
      own, so a part of the items gives the same answers. Neighbouring methods, and the same method of \
      another evaluation (--against), are compared by McNemar's test. The output is a folder; run the \
      same command again to go on after an interruption.

      EXAMPLES
        apus-ground eval --model run --pages 500 --methods greedy vote two-calls full --output e
        apus-ground eval --model other --pages 500 --methods greedy --against e --output f
        apus-ground eval --data ScreenSpot-Pro/annotations --layout screenspot-pro \\
          --images ScreenSpot-Pro/images --endpoint http://127.0.0.1:8000/v1 --model qwen \\
          --cache replies --methods greedy full --output pro
      """
  )

  @OptionGroup(title: "Policy") var policy: PolicyArguments
  @OptionGroup(title: "Data") var data: DataArguments
  @Option(parsing: .upToNextOption, help: "How answers are found.")
  var methods = [SearchMethod.greedy]
  @OptionGroup(title: "Search") var search: SearchArguments
  @Option(name: .shortAndLong, help: ArgumentHelp("The folder to write.", valueName: "folder"))
  var output: String
  @Option(help: ArgumentHelp("Compare with another evaluation.", valueName: "folder"))
  var against: String?
  @Option(help: "The items whose search is kept, to be drawn by 'report'.")
  var drawnItems = 200
  @Flag(
    help: """
      An item on which the policy fails, or whose picture cannot be read, counts as wrong, and the \
      evaluation goes on; rows that break their layout are left out.
      """
  )
  var recordFailures = false
  @OptionGroup(title: "Machine") var machine: ThreadArguments
  @OptionGroup(title: "Output") var display: OutputArguments

  static let markName = "eval.json"

  func validate() throws {
    guard !methods.isEmpty, Set(methods).count == methods.count else {
      throw ValidationError("--methods needs methods, each once")
    }
    guard drawnItems >= 0 else { throw ValidationError("--drawn-items must be 0 or more") }
  }

  func run() async throws {
    machine.apply()
    let loaded = try policy.load(weighted: search.weighting != nil)
    let description = data.description(pages: 500, seed: 1000)
    let source = try description.load(keepsFailures: recordFailures, needsTargets: true)
    if let first = source.skipped.first {
      try StandardStream.error.writeLine(
        "warning: \(source.skipped.count.counted("row")) left out, the first: "
          + "\(GroundingDataError.row(first))"
      )
    }
    let items = source.items()
    try claimEvaluation()
    try checkOther(items)
    let reporter = display.progress("evaluating", unit: "items")
    defer { reporter.clear() }
    var lines: [(String, [EvaluationLine])] = []
    for (index, method) in methods.enumerated() {
      let settings = EvaluationSettings(
        data: description,
        policy: try policy.identity(),
        policyName: loaded.policy.name,
        search: try search.search(method, for: loaded)
      )
      var run = EvaluationRun(
        folder: output,
        method: method.rawValue,
        settings: settings,
        source: source
      )
      run.drawnItems = drawnItems
      run.failureRule = recordFailures ? .record : .stop
      let done: [EvaluationLine]
      do {
        done = try await run.run(loaded, items, concurrency: policy.remote.concurrency) {
          reporter.update(
            completed: index * items.count + $0,
            total: methods.count * items.count,
            note: "\(method.rawValue) \((100 * $1).fixed(1)) %"
          )
        }
      } catch  where !(error is CommandFailure || error is CancellationError) {
        // A disk that is full fails no item.
        let isOfItem = !recordFailures && !(error is CheckpointError)
        throw CommandFailure(
          "\(error); finished items are in \(output.printable), and the same command goes on there"
            + (isOfItem ? "; with --record-failures such items count as wrong" : "")
        )
      }
      lines.append((method.rawValue, done))
      let searches = done.compactMap(\.search)
      if search.weighting != nil, !searches.isEmpty, searches.allSatisfy(\.lacksProbabilities) {
        try StandardStream.error.writeLine("warning: " + SearchArguments.noProbabilities)
      }
    }
    reporter.clear()
    try write(lines, loaded.policy.name, description)
  }

  /// Refuses a folder of something else.
  private func claimEvaluation() throws {
    try makeOutputFolder(output)
    let names = finishedNames(in: output)
    let isOurs = names.contains { $0.hasSuffix(EvaluationRun.settingsEnding) }
    guard names.isEmpty || isOurs else {
      throw CommandFailure(
        "output \(output.printable) is not empty and holds no evaluation; choose another folder"
      )
    }
  }

  /// Refuses another evaluation that cannot be compared, before the work.
  private func checkOther(_ items: [GroundingItem]) throws {
    guard let against else { return }
    let ids = Set(items.map(\.id))
    var compared = 0
    for method in methods {
      let path = against + "/" + method.rawValue + ".jsonl"
      guard FileManager.default.fileExists(atPath: path) else { continue }
      let others = Set(try LineJournal<EvaluationLine>.lines(of: path).map(\.outcome.id))
      guard others == ids else {
        throw CommandFailure(
          "--against \(against.printable): \(method.rawValue) has \(others.count.counted("item")) there, "
            + "here are \(ids.count.grouped), \(ids.intersection(others).count.grouped) of them the same; "
            + "evaluate the same data in both"
        )
      }
      compared += 1
    }
    guard compared > 0 else {
      throw CommandFailure(
        "--against \(against.printable) has none of these methods; evaluate them there too"
      )
    }
  }

  private func write(
    _ lines: [(String, [EvaluationLine])],
    _ name: String,
    _ description: SourceDescription
  ) throws {
    let report = EvaluationReport(
      policy: name,
      data: description.text,
      methods: lines.map { MethodReport($0.0, $0.1) },
      comparisons: try comparisons(lines)
    )
    try AtomicFile.write(try jsonText(report) + "\n", to: output + "/" + Self.markName)
    try AtomicFile.write(report.markdown, to: output + "/eval.md")
    let stream = StandardStream.output
    if display.json { return try stream.writeLine(jsonText(report)) }
    try stream.writeLine(report.table.text(width: stream.columnCount))
    guard !report.comparisons.isEmpty else { return }
    try stream.writeLine("\n" + report.comparisonTable.text(width: stream.columnCount))
  }

  private func comparisons(
    _ lines: [(String, [EvaluationLine])]
  ) throws -> [ComparisonReport] {
    var reports = try zip(lines, lines.dropFirst()).map { first, second in
      let test = try McNemarTest(first.1.map(\.outcome), second.1.map(\.outcome))
      return ComparisonReport(first.0, second.0, test)
    }
    guard let against else { return reports }
    for (method, mine) in lines {
      let path = against + "/" + method + ".jsonl"
      guard FileManager.default.fileExists(atPath: path) else { continue }
      let others = try LineJournal<EvaluationLine>.lines(of: path).map(\.outcome)
      let test = try McNemarTest(others, mine.map(\.outcome))
      reports.append(ComparisonReport("\(against): \(method)", method, test))
    }
    return reports
  }
}
