/// 1 for a point in the target, 0 for any other and for none; nil for a target without extent.
///
/// The raw point counts: one outside the view simply misses.
public struct HitReward: GroundingReward, Hashable, Codable {
  /// The reward.
  public init() {}

  /// `hit`.
  public var name: String { "hit" }

  /// Whether the point, brought to the image, lies in the target.
  public func score(
    _ sample: GroundingSample,
    _ target: GroundingTarget,
    view: ViewTransform
  ) -> Double? {
    guard target.isScorable else { return nil }
    guard let point = sample.point else { return 0 }
    return target.contains(view.toImage(point)) ? 1 : 0
  }
}
