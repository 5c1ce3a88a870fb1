/// The 95 % confidence interval of a share, by Wilson's score.
///
///     (p + z²/2n ± z √(p (1 − p)/n + z²/4n²)) / (1 + z²/n)      z = 1.96
///
/// Unlike the usual interval it stays within 0 and 1 and is right for small counts.
///
/// - Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
public struct WilsonInterval: Hashable, Codable, Sendable {
  /// The lower bound.
  public let lower: Double
  /// The upper bound.
  public let upper: Double

  /// The 97.5 % point of the normal distribution.
  static let z = 1.959963984540054

  /// The interval of `correct` out of `count`; all of 0 to 1 where there is nothing to count.
  public init(correct: Int, count: Int) {
    guard count > 0 else {
      (lower, upper) = (0, 1)
      return
    }
    let (n, p) = (Double(count), Double(correct) / Double(count))
    let square = Self.z * Self.z
    let center = p + square / (2 * n)
    let reach = Self.z * (p * (1 - p) / n + square / (4 * n * n)).squareRoot()
    lower = correct == 0 ? 0 : max(0, (center - reach) / (1 + square / n))
    upper = correct == count ? 1 : min(1, (center + reach) / (1 + square / n))
  }
}
