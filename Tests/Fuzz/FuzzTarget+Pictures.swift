import Foundation
import GUIGrounding
import ImageFiles
import Tensor

extension FuzzTarget {
  static let pictures = [
    picture(
      "png",
      try PictureSamples.pngs(),
      words: ["IHDR", "IDAT", "IEND", "PLTE", "tRNS", "gAMA"]
    ),
    picture(
      "jpeg",
      PictureSamples.jpegs,
      words: ["\u{1}\u{1}", "JFIF", "Adobe", "Exif"]
    ),
  ]

  private static func picture(
    _ name: String,
    _ seeds: @autoclosure @escaping @Sendable () throws -> [[UInt8]],
    words: [String]
  ) -> FuzzTarget {
    FuzzTarget(name: name, words: words, seeds: seeds) { bytes in
      let path = Scratch.file("fuzz." + name, bytes)
      // Larger ones are sound, and take long.
      let image = try DecodedImage(contentsOf: path, pixelLimit: 1 << 20)
      demand(image.pixels.count <= 4 << 20, "more pixels than the limit allows")
      let small = image.resized(width: 5, height: 3)
      demand(small.grayscale().rgb().channels == 3, "RGB without three channels")
      _ = RGBImage(image).resized(to: PixelSize(width: 4, height: 4))
      let again = try DecodedImage(bytes: small.pngBytes(), pixelLimit: 100)
      demand(again.pixels == small.pixels, "its copy has other pixels")
    }
  }
}

private enum PictureSamples {
  static func pngs() throws -> [[UInt8]] {
    let own = try [1, 3, 4].map { channels in
      let pixels = (0..<20 * channels).map { UInt8(truncatingIfNeeded: $0 * 37) }
      return try DecodedImage(pixels: Tensor(pixels, shape: [4, 5, channels])).pngBytes()
    }
    return own + [bits, sixteenBits].map { [UInt8](Data(base64Encoded: $0) ?? Data()) }
  }

  static var jpegs: [[UInt8]] {
    [progressive, gray].map { [UInt8](Data(base64Encoded: $0) ?? Data()) }
  }

  /// Nine pixels of one bit.
  private static let bits =
    "iVBORw0KGgoAAAANSUhEUgAAAAkAAAABAQAAAAAkubnQAAAAC0lEQVR4nGNcdQ0AAjABggI5rH8AAAAASUVORK"
    + "5CYII="

  /// Two pixels of 16 bits.
  private static let sixteenBits =
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABEAAAAACB2fwVAAAADUlEQVR4nGMQMvn/HwAD5gJFLkKWdQAAAABJRU"
    + "5ErkJggg=="

  /// 17 × 13 colours, progressive.
  private static let progressive =
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+Mz"
    + "ZGNywtQFdBRkxOUlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09P"
    + "T09PT09PT09PT09PT09PT09PT09PT09PT09PT0//wgARCAANABEDASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAA"
    + "AAAAAABAUA/8QAFgEBAQEAAAAAAAAAAAAAAAAAAgQF/9oADAMBAAIQAxAAAAGSxrpDL1zPR//EABkQAAMBAQEA"
    + "AAAAAAAAAAAAAAABAgMSE//aAAgBAQABBQKcicjxIhEQjhH/xAAXEQADAQAAAAAAAAAAAAAAAAAAAQQU/9oACA"
    + "EDAQE/AZqmamf/xAAXEQADAQAAAAAAAAAAAAAAAAAAARIC/9oACAECAQE/AVuiT//EABQQAQAAAAAAAAAAAAAA"
    + "AAAAACD/2gAIAQEABj8CX//EABcQAAMBAAAAAAAAAAAAAAAAAAAgYXH/2gAIAQEAAT8hkTMIFf/aAAwDAQACAA"
    + "MAAAAQPN//xAAWEQADAAAAAAAAAAAAAAAAAAABEBH/2gAIAQMBAT8QAiv/xAAUEQEAAAAAAAAAAAAAAAAAAAAQ"
    + "/9oACAECAQE/ECP/xAAXEAADAQAAAAAAAAAAAAAAAAAAECEx/9oACAEBAAE/EMRihGQp/9k="

  /// 8 × 8 pixels of grey, baseline.
  private static let gray =
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBg"
    + "cJBwYGCAsICQoKCgoKBggLDAsKDAkKCgr/wAALCAAIAAgBAREA/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQF"
    + "BgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2Jygg"
    + "kKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWW"
    + "l5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/9oACA"
    + "EBAAA/APjOv//Z"
}
