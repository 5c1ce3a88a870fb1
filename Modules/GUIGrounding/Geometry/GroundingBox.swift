/// A rectangle in continuous pixels: where an element lies.
public struct GroundingBox: Hashable, Codable, Sendable {
  /// The left side.
  public var x0: Double
  /// The upper side.
  public var y0: Double
  /// The right side, at least `x0`.
  public var x1: Double
  /// The lower side, at least `y0`.
  public var y1: Double

  /// A rectangle by its sides.
  public init(x0: Double, y0: Double, x1: Double, y1: Double) {
    (self.x0, self.y0, self.x1, self.y1) = (x0, y0, x1, y1)
  }

  /// A rectangle of pixels.
  public init(_ rect: PixelRect) {
    x0 = Double(rect.x)
    y0 = Double(rect.y)
    x1 = Double(rect.x + rect.width)
    y1 = Double(rect.y + rect.height)
  }

  /// The distance between the left and the right side.
  public var width: Double { x1 - x0 }
  /// The distance between the upper and the lower side.
  public var height: Double { y1 - y0 }
  /// Width times height.
  public var area: Double { width * height }
  /// The point in the middle.
  public var center: GroundingPoint { GroundingPoint(x: (x0 + x1) / 2, y: (y0 + y1) / 2) }
  /// Whether all sides are finite and in order.
  public var isValid: Bool {
    x0.isFinite && y0.isFinite && x1.isFinite && y1.isFinite && x0 <= x1 && y0 <= y1
  }

  /// Whether a point lies in the rectangle; all four sides count as inside.
  ///
  /// - Source: every published evaluator of ScreenSpot compares inclusively.
  public func contains(_ point: GroundingPoint) -> Bool {
    x0 <= point.x && point.x <= x1 && y0 <= point.y && point.y <= y1
  }

  /// Whether another rectangle lies wholly inside, common sides allowed.
  public func contains(_ other: GroundingBox) -> Bool {
    x0 <= other.x0 && other.x1 <= x1 && y0 <= other.y0 && other.y1 <= y1
  }

  /// What two rectangles have in common; nil where they do not meet.
  public func intersection(_ other: GroundingBox) -> GroundingBox? {
    let common = GroundingBox(
      x0: max(x0, other.x0),
      y0: max(y0, other.y0),
      x1: min(x1, other.x1),
      y1: min(y1, other.y1)
    )
    return common.isValid ? common : nil
  }

  /// The smallest rectangle around points; nil without any.
  public init?(around points: some Sequence<GroundingPoint>) {
    var box: GroundingBox?
    for point in points {
      let old = box ?? GroundingBox(x0: point.x, y0: point.y, x1: point.x, y1: point.y)
      box = GroundingBox(
        x0: min(old.x0, point.x),
        y0: min(old.y0, point.y),
        x1: max(old.x1, point.x),
        y1: max(old.y1, point.y)
      )
    }
    guard let box else { return nil }
    self = box
  }
}
