/// A place in an image or a view, in continuous pixels from the upper left corner.
///
/// Pixel (row i, column j) covers [j, j + 1) × [i, i + 1), so its centre is (j + ½, i + ½).
public struct GroundingPoint: Hashable, Codable, Sendable {
  /// The distance from the left side.
  public var x: Double
  /// The distance from the upper side.
  public var y: Double

  /// A place.
  public init(x: Double, y: Double) { (self.x, self.y) = (x, y) }

  /// Whether both numbers are finite.
  public var isFinite: Bool { x.isFinite && y.isFinite }

  /// The straight distance to another place.
  public func distance(to other: GroundingPoint) -> Double {
    let (dx, dy) = (x - other.x, y - other.y)
    return (dx * dx + dy * dy).squareRoot()
  }

  /// The nearest place of a view or an image, its far sides included.
  public func clamped(to size: PixelSize) -> GroundingPoint {
    GroundingPoint(
      x: min(max(x, 0), Double(size.width)),
      y: min(max(y, 0), Double(size.height))
    )
  }
}

extension GroundingPoint: CustomStringConvertible {
  /// The point between brackets: `(12.5, 7.0)`.
  public var description: String { "(\(x), \(y))" }
}
