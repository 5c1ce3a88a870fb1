/// A tenth of the items by the area of their targets.
public struct AreaDecile: Hashable, Codable, Sendable {
  /// The smallest area, as a share of the image's.
  public var smallest: Double
  /// The largest.
  public var largest: Double
  /// How many are right.
  public var accuracy: AccuracyCount
}

/// What one stage of a search contributes.
public struct StageMetrics: Hashable, Codable, Sendable {
  /// Items that got so far.
  public var reached = 0
  /// Of these, how many showed the target's centre: no more can be found from here on.
  public var held = 0
  /// How many answers are right after this stage, of all items; those that ended before keep theirs.
  public var accuracy = AccuracyCount()
  /// What the stage took, summed over items.
  public var cost = InferenceCost()

  /// The share of the items that got so far which showed the target; 0 of nothing.
  public var heldShare: Double { reached == 0 ? 0 : Double(held) / Double(reached) }
}

/// What a policy is worth on a data set, and what it takes.
///
/// Accuracies follow the evaluation programs of ScreenSpot and ScreenSpot-Pro: an answer without a
/// place is wrong. So is one of a policy that failed. Items that cannot be scored are left out.
public struct GroundingMetrics: Hashable, Codable, Sendable {
  /// All items.
  public private(set) var overall = TypedAccuracy()
  /// By platform.
  public private(set) var byPlatform: [String: TypedAccuracy] = [:]
  /// By field of application.
  public private(set) var byGroup: [String: TypedAccuracy] = [:]
  /// By application.
  public private(set) var byApplication: [String: TypedAccuracy] = [:]
  /// By role of the element.
  public private(set) var byKind: [String: TypedAccuracy] = [:]
  /// Elements of their own, and those named by their rank among equal ones: `unique`, `ranked`.
  public private(set) var byRank: [String: TypedAccuracy] = [:]
  /// By the area of the target, smallest first; ten, or fewer where there are fewer items.
  public private(set) var areaDeciles: [AreaDecile] = []
  /// Items whose answers named no place.
  public private(set) var wrongFormatCount = 0
  /// Items on which the policy failed.
  public private(set) var failureCount = 0
  /// Items that cannot be scored, because only a point of their target is known.
  public private(set) var unscorableCount = 0
  /// Searches that ended before their last stage because the votes agreed.
  public private(set) var stoppedEarlyCount = 0
  /// Stage by stage; empty for answers that came without a search.
  public private(set) var stages: [StageMetrics] = []
  /// What all items took, those that cannot be scored included.
  public private(set) var cost = InferenceCost()
  /// All items, those that cannot be scored included.
  public private(set) var itemCount = 0

  /// The metrics of outcomes.
  public init(_ outcomes: [GroundingOutcome]) {
    itemCount = outcomes.count
    cost = outcomes.map(\.cost).reduce(InferenceCost(), +)
    let scored = outcomes.filter(\.isScorable)
    unscorableCount = outcomes.count - scored.count
    for outcome in scored { add(outcome) }
    areaDeciles = Self.deciles(scored)
    let stageCount = scored.map(\.stages.count).max() ?? 0
    stages = (0..<stageCount).map { Self.stage($0, scored) }
  }

  private mutating func add(_ outcome: GroundingOutcome) {
    func count(_ key: String?, _ table: inout [String: TypedAccuracy]) {
      if let key { table[key, default: TypedAccuracy()].add(outcome) }
    }
    overall.add(outcome)
    count(outcome.platform, &byPlatform)
    count(outcome.group, &byGroup)
    count(outcome.application, &byApplication)
    count(outcome.kind, &byKind)
    count(outcome.ordinal == nil ? "unique" : "ranked", &byRank)
    wrongFormatCount += outcome.isWrongFormat ? 1 : 0
    failureCount += outcome.failure == nil ? 0 : 1
    stoppedEarlyCount += outcome.stoppedEarly ? 1 : 0
  }

  private static func deciles(_ outcomes: [GroundingOutcome]) -> [AreaDecile] {
    let known = outcomes.compactMap { outcome in
      outcome.areaShare.map { (area: $0, outcome: outcome) }
    }
    // Equal areas in the order of their names, so that the order of the items does not matter.
    let sorted = known.sorted { ($0.area, $0.outcome.id) < ($1.area, $1.outcome.id) }
    return (0..<10).compactMap { part in
      let part = sorted[sorted.count * part / 10..<sorted.count * (part + 1) / 10]
      guard let first = part.first, let last = part.last else { return nil }
      let accuracy = AccuracyCount(part.map(\.outcome))
      return AreaDecile(smallest: first.area, largest: last.area, accuracy: accuracy)
    }
  }

  private static func stage(_ index: Int, _ outcomes: [GroundingOutcome]) -> StageMetrics {
    var metrics = StageMetrics()
    for outcome in outcomes {
      if index < outcome.stages.count {
        let stage = outcome.stages[index]
        metrics.reached += 1
        metrics.held += stage.holdsTarget ? 1 : 0
        metrics.cost = metrics.cost + stage.cost
        metrics.accuracy.add(stage.isHit)
      } else {
        metrics.accuracy.add(outcome.isHit)
      }
    }
    return metrics
  }

  /// The mean over platforms and types of the accuracy: what some tables call the average of
  /// ScreenSpot, where every cell weighs the same; nil without such cells.
  public var cellMean: Double? {
    let cells = byPlatform.values.flatMap { $0.byType.values.map(\.accuracy) }
    return cells.isEmpty ? nil : cells.sorted().reduce(0, +) / Double(cells.count)
  }

  /// Responses per item.
  public var callsPerItem: Double { perItem(Double(cost.calls)) }
  /// Requests per item.
  public var requestsPerItem: Double { perItem(Double(cost.requests)) }
  /// Tokens per item.
  public var tokensPerItem: Double { perItem(Double(cost.tokens)) }
  /// Wall time per item, in seconds; items that ran at the same time count each their own.
  public var secondsPerItem: Double { perItem(cost.seconds) }

  private func perItem(_ sum: Double) -> Double { itemCount == 0 ? 0 : sum / Double(itemCount) }
}
