/// How large the crop of a later stage is.
public enum CropRule: Hashable, Codable, Sendable {
  /// A share of each side of the region of the stage before.
  case fraction(Double)
  /// The same number of pixels for every image.
  case fixed(PixelSize)

  /// The crop's extents; never below `minimumSide`, never above the image.
  ///
  /// - Parameters:
  ///   - region: the extents of the region of the stage before.
  ///   - image: the extents of the whole image.
  ///   - minimumSide: the shortest side, where the image has that many pixels.
  /// - Returns: extents of at least one pixel.
  func size(after region: PixelSize, image: PixelSize, minimumSide: Int) -> PixelSize {
    func side(_ wanted: Double, _ limit: Int) -> Int {
      let rounded = wanted.rounded()
      let bounded = min(max(rounded, Double(max(minimumSide, 1))), Double(limit))
      return max(1, Int(bounded))
    }
    return switch self {
    case .fraction(let share):
      PixelSize(
        width: side(Double(region.width) * share, image.width),
        height: side(Double(region.height) * share, image.height)
      )
    case .fixed(let size):
      PixelSize(
        width: side(Double(size.width), image.width),
        height: side(Double(size.height), image.height)
      )
    }
  }
}
