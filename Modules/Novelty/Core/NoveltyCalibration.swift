/// How a threshold follows from the scores of normals.
public enum ThresholdRule: Codable, Hashable, Sendable {
  /// That percentile of the normal scores, from 0 to 100, linear between neighbours.
  case percentile(Double)
  /// The smallest threshold that new normals exceed with at most this probability, 0 ..< 1.
  ///
  /// The k-th smallest of n scores with k = ⌈(1 − rate)(n + 1)⌉: a sample is above it exactly when
  /// its p-value is at most the rate.
  case falsePositiveRate(Double)
  /// A score that was chosen by hand.
  case fixed(Float)

  /// The usual choice: one in twenty normals is called novel.
  public static let standard = ThresholdRule.percentile(95)
}

/// What normals that were held back score: thresholds and p-values follow from it.
///
/// The rule can be changed at any time, without the model or the data:
///
///     detector.calibration?.rule = .falsePositiveRate(0.01)
public struct NoveltyCalibration: Codable, Hashable, Sendable {
  /// The scores of the normals, ascending.
  public let normalScores: [Float]
  /// How the threshold follows from them.
  public var rule: ThresholdRule

  /// A calibration by the scores of normals that were not trained on.
  ///
  /// - Throws: `NoveltyError.tooFewSamples` where the rule needs more, `.notFinite`,
  ///   `.configuration`.
  public init(
    normalScores: [Float],
    rule: ThresholdRule = .standard
  ) throws(NoveltyError) {
    if let row = normalScores.firstIndex(where: { !$0.isFinite }) {
      throw .notFinite(operation: "calibrate", row: row)
    }
    self.normalScores = normalScores.sorted()
    self.rule = rule
    _ = try threshold(by: rule)
  }

  /// The threshold by the calibration's rule: what is above it is novel.
  ///
  /// - Throws: `NoveltyError.tooFewSamples` or `.configuration`.
  public func threshold() throws(NoveltyError) -> Float { try threshold(by: rule) }

  /// The threshold by another rule.
  ///
  /// - Throws: `NoveltyError.tooFewSamples` or `.configuration`.
  public func threshold(by rule: ThresholdRule) throws(NoveltyError) -> Float {
    let count = normalScores.count
    switch rule {
    case .fixed(let threshold): return threshold
    case .percentile(let percentile):
      guard (0...100).contains(percentile) else {
        throw .configuration("a percentile of \(percentile), 0 to 100 is needed")
      }
      guard count > 0 else { throw tooFew(needed: 1) }
      let place = percentile / 100 * Double(count - 1)
      let lower = Int(place)
      let upper = min(lower + 1, count - 1)
      let share = Float(place - Double(lower))
      return normalScores[lower] + share * (normalScores[upper] - normalScores[lower])
    case .falsePositiveRate(let rate):
      guard (0..<1).contains(rate) else {
        throw .configuration("a false positive rate of \(rate), 0 ..< 1 is needed")
      }
      let place = Int(((1 - rate) * Double(count + 1) - 1e-9).rounded(.up))
      guard place <= count else {
        // Rates that nobody can hold samples for must not overflow the count.
        throw tooFew(needed: rate > 0 ? Int(min(1 / rate - 1, 1e15).rounded(.up)) : count + 1)
      }
      return normalScores[max(place, 1) - 1]
    }
  }

  /// The chance that a normal scores at least as high: (1 + #{normals ≥ score}) / (n + 1).
  ///
  /// For new normals the p-value is at most α with a probability of at most α, whatever the scores
  /// are distributed like (conformal prediction).
  public func pValue(of score: Float) -> Double {
    Double(1 + normalScores.count - lowerBound(score)) / Double(normalScores.count + 1)
  }

  private func tooFew(needed: Int) -> NoveltyError {
    .tooFewSamples(operation: "threshold", label: nil, found: normalScores.count, needed: needed)
  }

  /// How many normal scores are below a score.
  private func lowerBound(_ score: Float) -> Int {
    var (low, high) = (0, normalScores.count)
    while low < high {
      let middle = (low + high) / 2
      if normalScores[middle] < score { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// What a calibrated detector says about one sample.
public struct NoveltyVerdict: Codable, Hashable, Sendable {
  /// The raw score; higher is more novel.
  public let score: Float
  /// The conformal p-value; small is novel.
  public let pValue: Double
  /// Whether the score is above the threshold.
  public let isNovel: Bool
}
