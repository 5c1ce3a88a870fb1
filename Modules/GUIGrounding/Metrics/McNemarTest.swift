import Foundation

/// Whether one of two policies is better on the same items, from those on which they differ.
///
/// With b items that only the first gets right and c that only the second does:
///
///     b + c < 25:  p = min(1, 2 Σ_{k ≤ min(b,c)} C(b + c, k) / 2^(b + c))      exact, binomial
///     else:        p = P(χ²₁ ≥ (|b − c| − 1)² / (b + c))                       with continuity
///
/// - Source: McNemar 1947; Edwards 1948 for the correction.
public struct McNemarTest: Hashable, Codable, Sendable {
  /// Items that both get right.
  public let bothCorrect: Int
  /// b: items that only the first gets right.
  public let onlyFirst: Int
  /// c: items that only the second gets right.
  public let onlySecond: Int
  /// Items that both get wrong.
  public let bothWrong: Int

  /// Below so many items that differ the test is exact.
  public static let exactLimit = 25

  /// A test from counts.
  public init(bothCorrect: Int, onlyFirst: Int, onlySecond: Int, bothWrong: Int) {
    self.bothCorrect = bothCorrect
    self.onlyFirst = onlyFirst
    self.onlySecond = onlySecond
    self.bothWrong = bothWrong
  }

  /// A test of two runs over the same items, in any order.
  ///
  /// - Throws: `GroundingMetricsError` where an item is in one run only, or twice.
  public init(
    _ first: [GroundingOutcome],
    _ second: [GroundingOutcome]
  ) throws(GroundingMetricsError) {
    var hits: [String: Bool] = [:]
    for outcome in second {
      guard hits.updateValue(outcome.isHit, forKey: outcome.id) == nil else {
        throw .repeatedItem(outcome.id)
      }
    }
    var counts = [0, 0, 0, 0]
    for outcome in first {
      guard let other = hits.removeValue(forKey: outcome.id) else {
        throw .unpairedItem(outcome.id)
      }
      counts[(outcome.isHit ? 0 : 2) + (other ? 0 : 1)] += 1
    }
    if let left = hits.keys.min() { throw .unpairedItem(left) }
    self.init(
      bothCorrect: counts[0],
      onlyFirst: counts[1],
      onlySecond: counts[2],
      bothWrong: counts[3]
    )
  }

  /// Whether the probability is exact.
  public var isExact: Bool { onlyFirst + onlySecond < Self.exactLimit }

  /// The probability of such a difference, or a larger one, if both were equally good.
  public var pValue: Double {
    let count = onlyFirst + onlySecond
    guard count > 0 else { return 1 }
    guard isExact else {
      let difference = max(0, abs(Double(onlyFirst - onlySecond)) - 1)
      let statistic = difference * difference / Double(count)
      return erfc((statistic / 2).squareRoot())
    }
    var (term, sum) = (1.0, 0.0)  // C(n, k)
    for k in 0...min(onlyFirst, onlySecond) {
      sum += term
      term = term * Double(count - k) / Double(k + 1)
    }
    return min(1, 2 * sum / pow(2, Double(count)))
  }
}
