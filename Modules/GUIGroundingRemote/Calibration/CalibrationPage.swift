public import GUIGrounding
import Tensor

/// A picture whose places are known: five coloured squares.
///
/// The places are such that no two conventions agree on them: x and y of a square differ by more
/// than the square, and no side is near 1000 pixels.
public struct CalibrationPage: Sendable {
  /// A square of the page.
  public struct Square: Sendable {
    /// The colour's name.
    public let name: String
    /// Where it is.
    public let box: GroundingBox

    /// What to ask for.
    public var instruction: String { "click the \(name) square" }
  }

  /// The picture.
  public let image: RGBImage
  /// The squares.
  public let squares: [Square]

  /// A wide, a high and a square page, in sizes that a rule leaves alone.
  ///
  /// - Throws: `ResizeError` for a rule that makes no sense.
  public static func pages(_ rule: ResizeRule) throws(ResizeError) -> [CalibrationPage] {
    let sizes = [(1680, 728), (728, 1596), (784, 784)]
    return try sizes.map { width, height throws(ResizeError) in
      CalibrationPage(try rule.size(for: PixelSize(width: width, height: height)))
    }
  }

  private static let colors: [(name: String, color: RGBColor, x: Double, y: Double)] = [
    ("red", RGBColor(214, 48, 49), 0.14, 0.30), ("green", RGBColor(39, 174, 96), 0.81, 0.15),
    ("blue", RGBColor(41, 98, 214), 0.58, 0.44), ("yellow", RGBColor(241, 196, 15), 0.24, 0.83),
    ("black", RGBColor(30, 30, 30), 0.87, 0.70),
  ]

  /// A page of a size.
  public init(_ size: PixelSize) {
    let side = max(2, min(size.width, size.height) * 4 / 25)
    var image = RGBImage(size: size, color: RGBColor(244, 244, 244))
    squares = Self.colors.map { name, color, x, y in
      let left = min(max(0, Int(x * Double(size.width)) - side / 2), size.width - side)
      let top = min(max(0, Int(y * Double(size.height)) - side / 2), size.height - side)
      for row in top..<top + side {
        for column in left..<left + side { image[x: column, y: row] = color }
      }
      let rect = PixelRect(x: left, y: top, width: side, height: side)
      return Square(name: name, box: GroundingBox(rect))
    }
    self.image = image
  }
}
