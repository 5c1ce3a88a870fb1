import Tensor

/// How a view came out of an image: a crop, then a change of size.
///
///     image = crop.origin + view point · crop size / view size
///
/// The policy sees the view and answers in its pixels; targets and reports are in pixels of the
/// image. Everything is continuous, so there and back is the identity up to rounding.
public struct ViewTransform: Hashable, Codable, Sendable {
  /// The extents of the whole image.
  public let imageSize: PixelSize
  /// What the view shows of it.
  public let crop: PixelRect
  /// The extents of the view.
  public let view: PixelSize

  /// A view of a crop.
  public init(imageSize: PixelSize, crop: PixelRect, view: PixelSize) {
    expect(
      crop.isInside(imageSize) && view.width > 0 && view.height > 0,
      "view: a crop of \(crop.size) at (\(crop.x), \(crop.y)) of an image of \(imageSize), "
        + "shown as \(view)"
    )
    (self.imageSize, self.crop, self.view) = (imageSize, crop, view)
  }

  /// A view of the whole image.
  public init(imageSize: PixelSize, view: PixelSize) {
    self.init(imageSize: imageSize, crop: imageSize.bounds, view: view)
  }

  /// A point of the view, in pixels of the image.
  public func toImage(_ point: GroundingPoint) -> GroundingPoint {
    GroundingPoint(
      x: Double(crop.x) + point.x * Double(crop.width) / Double(view.width),
      y: Double(crop.y) + point.y * Double(crop.height) / Double(view.height)
    )
  }

  /// A point of the image, in pixels of the view; outside it where the crop does not reach.
  public func toView(_ point: GroundingPoint) -> GroundingPoint {
    GroundingPoint(
      x: (point.x - Double(crop.x)) * Double(view.width) / Double(crop.width),
      y: (point.y - Double(crop.y)) * Double(view.height) / Double(crop.height)
    )
  }

  /// A box of the view, in pixels of the image.
  public func toImage(_ box: GroundingBox) -> GroundingBox {
    let start = toImage(GroundingPoint(x: box.x0, y: box.y0))
    let end = toImage(GroundingPoint(x: box.x1, y: box.y1))
    return GroundingBox(x0: start.x, y0: start.y, x1: end.x, y1: end.y)
  }

  /// The part of a box of the image that the crop shows, in pixels of the view, and its share of
  /// the box's area.
  ///
  /// - Returns: nil where nothing of it is shown; a box without area is shown whole or not at all.
  public func toView(_ box: GroundingBox) -> (box: GroundingBox, visibleFraction: Double)? {
    guard let shown = box.intersection(GroundingBox(crop)) else { return nil }
    let fraction = box.area > 0 ? shown.area / box.area : 1
    guard fraction > 0 else { return nil }
    let start = toView(GroundingPoint(x: shown.x0, y: shown.y0))
    let end = toView(GroundingPoint(x: shown.x1, y: shown.y1))
    return (GroundingBox(x0: start.x, y0: start.y, x1: end.x, y1: end.y), min(fraction, 1))
  }
}
