public import ImageFiles
import Tensor

/// A picture of three bytes a pixel: a screenshot or a view of one.
///
/// - Shapes: `pixels` [H × W × 3], row by row from the top.
public struct RGBImage: Hashable, Sendable {
  /// The extents, both above 0.
  public let size: PixelSize
  /// The bytes, row by row, red first.
  public internal(set) var pixels: [UInt8]

  /// The most pixels that a file may have unless the caller says otherwise: 64 million.
  public static let standardPixelLimit = 1 << 26

  /// A picture of bytes; stops unless there are three for each pixel.
  public init(size: PixelSize, pixels: [UInt8]) {
    expect(
      size.width > 0 && size.height > 0 && pixels.count == size.pixelCount * 3,
      "image: \(pixels.count) bytes, \(size) pixels of 3 bytes are needed"
    )
    (self.size, self.pixels) = (size, pixels)
  }

  /// A picture of one colour.
  public init(size: PixelSize, color: RGBColor) {
    expect(size.width > 0 && size.height > 0, "image: \(size) pixels, both must be above 0")
    self.size = size
    pixels = [UInt8](unsafeUninitializedCapacity: size.pixelCount * 3) { buffer, count in
      for place in 0..<size.pixelCount {
        buffer[3 * place] = color.red
        buffer[3 * place + 1] = color.green
        buffer[3 * place + 2] = color.blue
      }
      count = size.pixelCount * 3
    }
  }

  /// A decoded picture; transparent pixels lie on white.
  public init(_ image: DecodedImage) {
    size = PixelSize(width: image.width, height: image.height)
    pixels = image.rgb().pixels.elements
  }

  /// Reads a PNG or JPEG file.
  ///
  /// - Throws: `ImageFileError`, also for more than `pixelLimit` pixels, before memory is taken.
  public init(
    contentsOf path: String,
    pixelLimit: Int = standardPixelLimit
  ) throws(ImageFileError) {
    self.init(try DecodedImage(contentsOf: path, pixelLimit: pixelLimit))
  }

  /// The colour of a pixel; stops outside the picture.
  public subscript(x x: Int, y y: Int) -> RGBColor {
    get {
      let place = place(x, y)
      return RGBColor(pixels[place], pixels[place + 1], pixels[place + 2])
    }
    set {
      let place = place(x, y)
      pixels[place] = newValue.red
      pixels[place + 1] = newValue.green
      pixels[place + 2] = newValue.blue
    }
  }

  private func place(_ x: Int, _ y: Int) -> Int {
    expect(
      x >= 0 && x < size.width && y >= 0 && y < size.height,
      "image: pixel (\(x), \(y)) of \(size)"
    )
    return (y * size.width + x) * 3
  }

  /// The pixels of a rectangle, which must lie in the picture.
  public func cropped(to rect: PixelRect) -> RGBImage {
    expect(
      rect.isInside(size),
      "crop: \(rect.size) at (\(rect.x), \(rect.y)) of an image of \(size)"
    )
    guard rect.size != size else { return self }
    var cropped: [UInt8] = []
    cropped.reserveCapacity(rect.size.pixelCount * 3)
    for row in rect.y..<rect.y + rect.height {
      let start = (row * size.width + rect.x) * 3
      cropped.append(contentsOf: pixels[start..<start + rect.width * 3])
    }
    return RGBImage(size: rect.size, pixels: cropped)
  }

  /// What a policy sees through a transform of this picture.
  public func view(_ transform: ViewTransform) -> RGBImage {
    expect(
      transform.imageSize == size,
      "view: a transform of \(transform.imageSize) for an image of \(size)"
    )
    return cropped(to: transform.crop).resized(to: transform.view)
  }

  /// The bytes of a PNG file.
  ///
  /// - Returns: the file; the same for the same pixels.
  /// - Throws: `ImageFileError` where there is no memory or a side is above 1,000,000.
  public func png() throws(ImageFileError) -> [UInt8] { try decoded.pngBytes() }

  /// Writes a PNG file, which appears complete or not at all.
  ///
  /// - Throws: `ImageFileError`.
  public func write(to path: String) throws(ImageFileError) { try decoded.writePNG(to: path) }

  private var decoded: DecodedImage {
    DecodedImage(pixels: Tensor(pixels, shape: [size.height, size.width, 3]))
  }
}
