/// A penalty for responses that come near the longest allowed length.
///
///     0 up to L_max − L_soft tokens, then linear to −1 at L_max; −1 for what was cut off
///
/// - Source: Yu et al. 2025, "DAPO", equation 13 (soft overlong punishment).
public struct LengthPenalty: GroundingReward, Hashable, Codable {
  /// L_max.
  public var maximumLength: Int
  /// L_soft: over how many tokens the penalty grows.
  public var softLength: Int

  /// A penalty.
  public init(maximumLength: Int, softLength: Int) {
    (self.maximumLength, self.softLength) = (maximumLength, softLength)
  }

  /// `length`.
  public var name: String { "length" }

  /// Between −1 and 0; nil where the number of tokens is not known.
  public func score(
    _ sample: GroundingSample,
    _ target: GroundingTarget,
    view: ViewTransform
  ) -> Double? {
    if sample.truncated { return -1 }
    guard let count = sample.tokenCount else { return nil }
    let excess = Double(count - (maximumLength - softLength))
    return excess > 0 ? -min(excess / Double(max(softLength, 1)), 1) : 0
  }
}
