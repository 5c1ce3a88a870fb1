import GUIGrounding
import ImageFiles
import Tensor

/// PNG files with a palette where 256 colours are enough, which most screenshots of text are.
///
/// - Source: PNG specification, third edition: IHDR, PLTE; Annex D for the check.
enum CompactPNG {
  /// The bytes of a PNG file: with a palette where that is possible and shorter, else plain RGB.
  ///
  /// - Throws: `ImageFileError`.
  static func bytes(_ image: RGBImage) throws(ImageFileError) -> [UInt8] {
    let plain = try image.png()
    guard let (colors, places) = palette(image) else { return plain }
    let size = image.size
    let plane = DecodedImage(pixels: Tensor(places, shape: [size.height, size.width, 1]))
    guard let indexed = withPalette(colors, try plane.pngBytes()) else { return plain }
    return indexed.count < plain.count ? indexed : plain
  }

  /// The colours in the order in which they occur, and the place of each pixel's one.
  private static func palette(_ image: RGBImage) -> (colors: [UInt8], places: [UInt8])? {
    var known: [UInt32: UInt8] = [:]
    var colors: [UInt8] = []
    var places = [UInt8](repeating: 0, count: image.size.pixelCount)
    var (last, lastPlace) = (UInt32.max, UInt8(0))
    for index in places.indices {
      let (r, g, b) = (
        image.pixels[3 * index], image.pixels[3 * index + 1], image.pixels[3 * index + 2]
      )
      let color = UInt32(r) << 16 | UInt32(g) << 8 | UInt32(b)
      if color != last {
        if let place = known[color] {
          lastPlace = place
        } else {
          guard known.count < 256 else { return nil }
          lastPlace = UInt8(known.count)
          known[color] = lastPlace
          colors += [r, g, b]
        }
        last = color
      }
      places[index] = lastPlace
    }
    return (colors, places)
  }

  /// A file of grey values as one of places in a palette: the bytes of the pixels are the same.
  static func withPalette(_ colors: [UInt8], _ grey: [UInt8]) -> [UInt8]? {
    // Signature, then IHDR: length, type, width, height, depth, colour type, …, check.
    guard grey.count > 33, Array(grey[12..<16]) == Array("IHDR".utf8), grey[24] == 8, grey[25] == 0
    else { return nil }
    var header = Array(grey[12..<29])
    header[13] = 3
    return Array(grey[..<12]) + header + check(header) + chunk("PLTE", colors) + grey[33...]
  }

  private static func chunk(_ type: String, _ content: [UInt8]) -> [UInt8] {
    let body = Array(type.utf8) + content
    return bigEndian(UInt32(content.count)) + body + check(body)
  }

  private static func check(_ bytes: [UInt8]) -> [UInt8] {
    var remainder: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      remainder ^= UInt32(byte)
      for _ in 0..<8 {
        remainder = remainder & 1 == 1 ? 0xEDB8_8320 ^ remainder >> 1 : remainder >> 1
      }
    }
    return bigEndian(~remainder)
  }

  private static func bigEndian(_ value: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> UInt32($0)) }
  }
}
