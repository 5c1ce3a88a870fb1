import Tensor

extension DecodedImage {
  /// One channel, the luma (19595 R + 38470 G + 7471 B) / 65536 to the nearest.
  ///
  /// - Source: ITU-R BT.601.
  ///
  /// Choice: transparent pixels lie on white, as a page shows them.
  public func grayscale() -> DecodedImage {
    converted(to: 1) { pixel, target in
      let sum = 19_595 * Int(pixel.red) + 38_470 * Int(pixel.green) + 7471 * Int(pixel.blue)
      target[0] = UInt8((sum + 32_768) >> 16)
    }
  }

  /// Three channels; transparent pixels lie on white.
  public func rgb() -> DecodedImage {
    converted(to: 3) { pixel, target in
      target[0] = pixel.red
      target[1] = pixel.green
      target[2] = pixel.blue
    }
  }

  private struct Pixel {
    let red, green, blue: UInt8
  }

  private func converted(
    to count: Int,
    _ body: (Pixel, UnsafeMutablePointer<UInt8>) -> Void
  ) -> DecodedImage {
    guard count != channels else { return self }
    let channels = channels
    let converted = pixels.withUnsafeElements { source in
      Tensor<UInt8>(uninitialized: [height, width, count]) { target in
        guard let source = source.baseAddress, let target = target.baseAddress else { return }
        for place in 0..<width * height {
          body(Self.pixel(source + place * channels, channels), target + place * count)
        }
      }
    }
    return DecodedImage(pixels: converted)
  }

  private static func pixel(_ bytes: UnsafePointer<UInt8>, _ channels: Int) -> Pixel {
    guard channels > 1 else { return Pixel(red: bytes[0], green: bytes[0], blue: bytes[0]) }
    guard channels == 4 else { return Pixel(red: bytes[0], green: bytes[1], blue: bytes[2]) }
    let alpha = Int(bytes[3])
    func onWhite(_ byte: UInt8) -> UInt8 {
      UInt8((Int(byte) * alpha + 255 * (255 - alpha) + 127) / 255)
    }
    return Pixel(red: onWhite(bytes[0]), green: onWhite(bytes[1]), blue: onWhite(bytes[2]))
  }
}
