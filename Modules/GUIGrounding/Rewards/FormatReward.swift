/// 1 for a response of the demanded form, one thought and one answer in their tags, else 0.
public struct FormatReward: GroundingReward, Hashable, Codable {
  /// The reward.
  public init() {}

  /// `format`.
  public var name: String { "format" }

  /// Whether the response has the form, whatever it says.
  public func score(
    _ sample: GroundingSample,
    _ target: GroundingTarget,
    view: ViewTransform
  ) -> Double? {
    sample.formatOK ? 1 : 0
  }
}
