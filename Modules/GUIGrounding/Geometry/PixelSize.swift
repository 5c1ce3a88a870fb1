/// The extents of an image or a view in whole pixels.
public struct PixelSize: Hashable, Codable, Sendable {
  /// Pixels of a row.
  public var width: Int
  /// Rows.
  public var height: Int

  /// A size.
  public init(width: Int, height: Int) { (self.width, self.height) = (width, height) }

  /// Width times height.
  public var pixelCount: Int { width * height }
  /// The longer side.
  public var longerSide: Int { max(width, height) }
  /// The whole image as a rectangle.
  public var bounds: PixelRect { PixelRect(x: 0, y: 0, width: width, height: height) }
}

extension PixelSize: CustomStringConvertible {
  /// Width and height: `1280×720`.
  public var description: String { "\(width)×\(height)" }
}
