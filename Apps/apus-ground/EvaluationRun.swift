import Foundation
import GUIGrounding
import Support

/// What decides the numbers of a method: METHOD.settings.json in the folder of an evaluation.
struct EvaluationSettings: Codable {
  var data: SourceDescription
  /// The policy, by its content or its place.
  var policy: String
  /// What reports call it.
  var policyName: String
  var search: SpatialSearch
  var version = "0.1.0"
}

/// One item of an evaluation: a line of METHOD.jsonl.
struct EvaluationLine: Codable {
  var outcome: GroundingOutcome
  /// Every stage, without tokens; nil for items that reports do not draw.
  var search: SearchResult?
  /// What this process computed for it; 0 where several items were under way.
  var cpuSeconds: Double
}

/// One method over all items, in a folder that remembers what is done.
struct EvaluationRun {
  let folder: String
  let method: String
  let settings: EvaluationSettings
  let source: GroundingSource
  /// How many items keep their search, to be drawn.
  var drawnItems = 200
  var failureRule = EvaluationFailureRule.stop

  static let settingsEnding = ".settings.json"

  /// Evaluates what is missing.
  ///
  /// - Parameters:
  ///   - loaded: the policy.
  ///   - items: all items.
  ///   - concurrency: the most items under way, for servers.
  ///   - progress: gets the number of items that are done and the share that is right.
  /// - Returns: a line for each item, in their order.
  /// - Throws: what loading and the policy throw; `CommandFailure` for a damaged journal.
  func run(
    _ loaded: LoadedPolicy,
    _ items: [GroundingItem],
    concurrency: Int,
    progress: (Int, Double) -> Void
  ) async throws -> [EvaluationLine] {
    let place = folder + "/" + method
    try SettingsFile.claim(settings, at: place + Self.settingsEnding, what: "evaluation")
    let journal = try LineJournal<EvaluationLine>(at: place + ".jsonl")
    let done = Set(journal.lines.map(\.outcome.id))
    let missing = items.filter { !done.contains($0.id) }
    var hits = journal.lines.count { $0.outcome.isHit }
    let evaluator = GroundingEvaluator(search: settings.search, failureRule: failureRule)
    var clock = processSeconds()
    // Where several items are under way, nobody knows whose time it was.
    func note(_ step: GroundingEvaluator.Progress, measures: Bool) throws {
      let now = processSeconds()
      let keeps = journal.lines.count < drawnItems
      let line = EvaluationLine(
        outcome: step.outcome,
        search: keeps ? step.result?.withoutTokens : nil,
        cpuSeconds: measures ? now - clock : 0
      )
      clock = now
      try journal.append(line)
      hits += step.outcome.isHit ? 1 : 0
      progress(journal.lines.count, Double(hits) / Double(journal.lines.count))
      try Cancellation.check(
        "run the same command to go on after \(journal.lines.count.counted("item"))"
      )
    }
    switch loaded {
    case .native(let policy):
      _ = try await evaluator.run(policy, items: missing, image: source.image) { step in
        try note(step, measures: true)
      }
    case .remote(let policy):
      _ = try await evaluator.run(
        policy,
        items: missing,
        concurrency: concurrency,
        image: { [source] in try source.image($0) }
      ) { step in try note(step, measures: false) }
    }
    let byName = Dictionary(journal.lines.map { ($0.outcome.id, $0) }) { first, _ in first }
    return items.compactMap { byName[$0.id] }
  }
}

extension SearchResult {
  /// The search without token ids and their probabilities, which take most of the room.
  var withoutTokens: SearchResult {
    var result = self
    for stage in result.stages.indices {
      for sample in result.stages[stage].samples.indices {
        let count = result.stages[stage].samples[sample].tokenCount
        result.stages[stage].samples[sample].tokens = nil
        result.stages[stage].samples[sample].tokenLogProbabilities = nil
        result.stages[stage].samples[sample].reportedTokenCount = count
      }
    }
    return result
  }
}
