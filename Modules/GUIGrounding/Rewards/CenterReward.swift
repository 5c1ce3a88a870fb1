import Foundation

/// A reward that grows towards the centre of the element: a Gaussian over its box.
///
///     exp(−½ · ((dx / σx)² + (dy / σy)²))      σ = share · side of the box
///
/// Of several boxes the best counts; a side below one pixel counts as one.
///
/// - Source: the dense rewards of SE-GUI and GUI-G2 have this form.
public struct CenterReward: GroundingReward, Hashable, Codable {
  /// σ as a share of a side.
  public var share: Double

  /// A reward; the default σ is half a side.
  public init(share: Double = 0.5) { self.share = share }

  /// `center`.
  public var name: String { "center" }

  /// Between 0 and 1; 0 without a point, nil for a target without boxes.
  public func score(
    _ sample: GroundingSample,
    _ target: GroundingTarget,
    view: ViewTransform
  ) -> Double? {
    guard !target.boxes.isEmpty else { return nil }
    guard let point = sample.point.map(view.toImage) else { return 0 }
    return target.boxes.map { box in
      let dx = (point.x - box.center.x) / (share * max(box.width, 1))
      let dy = (point.y - box.center.y) / (share * max(box.height, 1))
      return exp(-0.5 * (dx * dx + dy * dy))
    }.max()
  }
}
