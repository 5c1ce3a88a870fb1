import Tensor

/// A rectangle of whole pixels: what a crop takes out of an image.
public struct PixelRect: Hashable, Codable, Sendable {
  /// The first column.
  public var x: Int
  /// The first row.
  public var y: Int
  /// Columns.
  public var width: Int
  /// Rows.
  public var height: Int

  /// A rectangle.
  public init(x: Int, y: Int, width: Int, height: Int) {
    (self.x, self.y, self.width, self.height) = (x, y, width, height)
  }

  /// The crop of a size around a point, shifted to lie in the image; never padded, and smaller than
  /// `size` only where the image is.
  ///
  ///     w = min(size.w, W)      x = clamp(⌊c.x − w / 2 + ½⌋, 0, W − w)      the same for y
  ///
  /// A center that is not a number counts as 0.
  public init(center: GroundingPoint, size: PixelSize, in image: PixelSize) {
    expect(
      size.width > 0 && size.height > 0 && image.width > 0 && image.height > 0,
      "crop: \(size) pixels of an image of \(image), all extents must be above 0"
    )
    width = min(size.width, image.width)
    height = min(size.height, image.height)
    x = Self.start(center.x, width, image.width)
    y = Self.start(center.y, height, image.height)
  }

  private static func start(_ center: Double, _ extent: Int, _ limit: Int) -> Int {
    let start = (center - Double(extent) / 2 + 0.5).rounded(.down)
    // In floating point first: a far point must not overflow an integer.
    return start > 0 ? Int(min(start, Double(limit - extent))) : 0
  }

  /// The extents.
  public var size: PixelSize { PixelSize(width: width, height: height) }

  /// Whether the rectangle has pixels and all of them lie in an image.
  public func isInside(_ image: PixelSize) -> Bool {
    // Differences, not sums: coordinates from a file may be as large as integers get.
    width > 0 && height > 0 && x >= 0 && y >= 0 && width <= image.width && height <= image.height
      && x <= image.width - width && y <= image.height - height
  }
}
