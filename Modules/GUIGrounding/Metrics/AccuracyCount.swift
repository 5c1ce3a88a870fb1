/// How many items are right.
public struct AccuracyCount: Hashable, Codable, Sendable {
  /// Items.
  public var count = 0
  /// Items that are right.
  public var correct = 0

  /// Nothing yet.
  public init() {}

  /// The count of some outcomes.
  public init(_ outcomes: some Sequence<GroundingOutcome>) {
    for outcome in outcomes { add(outcome.isHit) }
  }

  /// Counts one more item.
  public mutating func add(_ isCorrect: Bool) {
    count += 1
    correct += isCorrect ? 1 : 0
  }

  /// The share that is right; 0 of nothing.
  public var accuracy: Double { count == 0 ? 0 : Double(correct) / Double(count) }
  /// Where the true share lies, with 95 % confidence.
  public var interval: WilsonInterval { WilsonInterval(correct: correct, count: count) }
}

/// How many items of a kind are right, all and by the type of the element.
public struct TypedAccuracy: Hashable, Codable, Sendable {
  /// All.
  public var all = AccuracyCount()
  /// By type: text, icon and so on; items of unknown type are in `all` only.
  public var byType: [String: AccuracyCount] = [:]

  /// Nothing yet.
  public init() {}

  /// Counts one more item.
  public mutating func add(_ outcome: GroundingOutcome) {
    all.add(outcome.isHit)
    if let type = outcome.dataType { byType[type, default: AccuracyCount()].add(outcome.isHit) }
  }
}
