import GUIGrounding
import ImageFiles
import Tensor
import Testing

@testable import GUIGroundingRender

@Suite struct CompactPNGTests {
  private func noise(_ size: PixelSize, colors: Int) -> RGBImage {
    var generator = Philox(seed: UInt64(colors))
    let palette = (0..<colors).map { index in
      RGBColor(UInt8(index % 256), UInt8(index / 256), UInt8(generator.integer(below: 256)))
    }
    var image = RGBImage(size: size, color: .white)
    for y in 0..<size.height {
      for x in 0..<size.width {
        image[x: x, y: y] = palette[(y * size.width + x) % colors]
      }
    }
    return image
  }

  @Test(arguments: [1, 2, 17, 255, 256, 257, 400])
  func picturesComeBackAsTheyWere(_ colors: Int) throws {
    let image = noise(PixelSize(width: 37, height: 23), colors: colors)
    let bytes = try CompactPNG.bytes(image)
    #expect(RGBImage(try DecodedImage(bytes: bytes)) == image)
    // Byte 25 is the colour type: 3 a palette, 2 plain.
    if colors > 256 { #expect(bytes[25] == 2) }
  }

  @Test func textIsShorterWithAPalette() throws {
    var image = RGBImage(size: PixelSize(width: 640, height: 480), color: .white)
    var generator = Philox(seed: 5)
    for _ in 0..<20_000 {
      let grey = UInt8(generator.integer(below: 100))
      let (x, y) = (generator.integer(below: 640), generator.integer(below: 480))
      image[x: x, y: y] = RGBColor(grey, grey, grey)
    }
    let bytes = try CompactPNG.bytes(image)
    let plain = try image.png()
    #expect(bytes[25] == 3 && bytes.count < plain.count)
    #expect(RGBImage(try DecodedImage(bytes: bytes)) == image)
  }
}
