/// To which size a picture is brought before a model sees it.
///
///     h' = round(h / f) · f, half to even; the same for w'
///     if h' w' > max:  b = √(h w / max),    h' = max(f, ⌊h / b / f⌋ · f)
///     if h' w' < min:  b = √(min / (h w)),  h' = ⌈h b / f⌉ · f
///
/// A picture that is brought to this size beforehand is left alone by a server that applies the same
/// rule, and stretching, letterboxes and rounding of the server no longer matter.
///
/// - Source: `smart_resize` of the transformers library.
public enum ResizeRule: Hashable, Codable, Sendable {
  /// Pictures stay as they are.
  case none
  /// Both sides multiples of `factor`, the number of pixels within limits.
  case smart(factor: Int, minimumPixels: Int, maximumPixels: Int)

  /// The default of the library's function.
  public static let transformersDefault = smart(
    factor: 28,
    minimumPixels: 3136,
    maximumPixels: 1_003_520
  )
  /// The preprocessor file of Qwen2.5-VL-Instruct.
  public static let qwen25VL = smart(factor: 28, minimumPixels: 3136, maximumPixels: 12_845_056)
  /// The evaluation programs of ScreenSpot-Pro.
  public static let screenSpotPro = smart(
    factor: 28,
    minimumPixels: 3136,
    maximumPixels: 99_999_999
  )
  /// GTA1: 4096 · 2160 pixels at most.
  public static let gta1 = smart(factor: 28, minimumPixels: 3136, maximumPixels: 4096 * 2160)
  /// GUI-R1, from EasyR1.
  public static let guiR1 = smart(factor: 28, minimumPixels: 262_144, maximumPixels: 1_258_291)
  /// Qwen3-VL: patches of 16 pixels, merged by two.
  public static let qwen3VL = smart(factor: 32, minimumPixels: 65_536, maximumPixels: 16_777_216)

  /// The largest ratio of the sides that the rule accepts.
  public static let maximumAspect = 200.0

  /// The size that a picture is brought to.
  ///
  /// - Throws: `ResizeError`.
  public func size(for image: PixelSize) throws(ResizeError) -> PixelSize {
    guard image.width > 0, image.height > 0 else { throw .empty(image) }
    switch self {
    case .none: return image
    case .smart(let factor, let minimum, let maximum):
      guard factor > 0, minimum >= 0, maximum >= minimum, maximum < 1 << 40, factor < 1 << 16
      else {
        throw .limits(factor: factor, minimumPixels: minimum, maximumPixels: maximum)
      }
      let (height, width) = (Double(image.height), Double(image.width))
      guard max(height, width) / min(height, width) <= Self.maximumAspect else {
        throw .aspect(image)
      }
      return Self.smartSize(height, width, Double(factor), Double(minimum), Double(maximum))
    }
  }

  private static func smartSize(
    _ height: Double,
    _ width: Double,
    _ factor: Double,
    _ minimum: Double,
    _ maximum: Double
  ) -> PixelSize {
    var newHeight = (height / factor).rounded(.toNearestOrEven) * factor
    var newWidth = (width / factor).rounded(.toNearestOrEven) * factor
    if newHeight * newWidth > maximum {
      let beta = (height * width / maximum).squareRoot()
      newHeight = max(factor, (height / beta / factor).rounded(.down) * factor)
      newWidth = max(factor, (width / beta / factor).rounded(.down) * factor)
    } else if newHeight * newWidth < minimum {
      let beta = (minimum / (height * width)).squareRoot()
      newHeight = (height * beta / factor).rounded(.up) * factor
      newWidth = (width * beta / factor).rounded(.up) * factor
    }
    // Below one pixel remains only where the limits allow nothing at all.
    return PixelSize(width: max(Int(newWidth), 1), height: max(Int(newHeight), 1))
  }
}

/// Why a picture has no size under a rule.
public enum ResizeError: Error, Equatable, Sendable {
  /// The picture has no pixels.
  case empty(PixelSize)
  /// One side is more than 200 times the other.
  case aspect(PixelSize)
  /// The limits contradict each other.
  case limits(factor: Int, minimumPixels: Int, maximumPixels: Int)
}

extension ResizeError: CustomStringConvertible {
  /// The picture, and what is wrong with it.
  public var description: String {
    switch self {
    case .empty(let size): "resize: a picture of \(size) pixels"
    case .aspect(let size):
      "resize: \(size) pixels, one side is more than \(Int(ResizeRule.maximumAspect)) times the "
        + "other; cut the picture first"
    case .limits(let factor, let minimum, let maximum):
      "resize: a factor of \(factor) and \(minimum) to \(maximum) pixels cannot be met"
    }
  }
}
