import Checkpoints
import Foundation
import ImageFiles
import Tensor
import TestSupport
import Testing

/// Files of other programs, and what becomes of damaged ones.
@Suite struct DecodedImageTests {
  static func decode(_ text: String) throws -> DecodedImage {
    try DecodedImage(bytes: try Samples.bytes(text))
  }

  @Test func everyKindOfPNGBecomesBytes() throws {
    let gray = try Self.decode(Samples.gray)
    #expect(gray.pixels.shape == [2, 3, 1])
    #expect(gray.pixels.elements == [1, 2, 3, 250, 251, 252])
    for text in [Samples.rgb, Samples.palette] {
      let image = try Self.decode(text)
      #expect(image.pixels.shape == [2, 2, 3])
      #expect(image.pixels.elements == [255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30])
    }
    #expect(try Self.decode(Samples.transparent).pixels.elements == [255, 0, 0, 255, 0, 0, 0, 0])
    let grayAlpha = try Self.decode(Samples.grayAlpha)
    #expect(grayAlpha.pixels.elements == [100, 100, 100, 255, 7, 7, 7, 128])
    let bits = try Self.decode(Samples.bits)
    #expect(bits.pixels.elements == [255, 0, 255, 0, 255, 0, 255, 0, 255])
    // 0x1234 · 255 / 65535 = 18.13.
    #expect(try Self.decode(Samples.sixteenBits).pixels.elements == [18, 255])
  }

  @Test func jpegHasThePixelsThatPillowReads() throws {
    let image = try Self.decode(Samples.jpeg)
    #expect(image.pixels.shape == [13, 17, 3])
    #expect(Array(image.pixels.elements.prefix(6)) == [0, 7, 0, 3, 10, 0])
    #expect(image.pixels.elements.reduce(0) { $0 + Int($1) } == 62_460)
    let gray = try Self.decode(Samples.grayJPEG)
    #expect(gray.pixels.shape == [8, 8, 1])
    #expect(gray.pixels.elements.allSatisfy { $0 == 77 })
  }

  @Test func everyCutIsNoticed() throws {
    for text in Samples.readable {
      let bytes = try Samples.bytes(text)
      // The last two bytes of a JPEG file are the mark of the end, which carries no pixel.
      for count in 0..<bytes.count - 2 {
        #expect(throws: ImageFileError.self, "\(count) of \(bytes.count) bytes") {
          try DecodedImage(bytes: Array(bytes.prefix(count)))
        }
      }
    }
  }

  @Test func changedBytesGiveAnImageOrAnError() throws {
    for text in Samples.readable {
      let bytes = try Samples.bytes(text)
      for place in bytes.indices {
        for flip: UInt8 in [0x01, 0x10, 0x80, 0xFF] {
          var changed = bytes
          changed[place] ^= flip
          guard let image = try? DecodedImage(bytes: changed, pixelLimit: 1 << 20) else { continue }
          #expect(image.width * image.height <= 1 << 20)
        }
      }
    }
  }

  @Test func sizesAreRefusedBeforeMemoryIsTaken() throws {
    let error = #expect(throws: ImageFileError.self) {
      try DecodedImage(bytes: try Samples.bytes(Samples.gray), name: "a.png", pixelLimit: 5)
    }
    #expect(error == .tooLarge(path: "a.png", width: 3, height: 2, pixelLimit: 5))
    // 65,500² pixels in a few hundred bytes of JPEG.
    var bytes = try Samples.bytes(Samples.grayJPEG)
    let header = try #require(
      bytes.indices.first { bytes[$0...].starts(with: [0xFF, 0xC0]) }
    )
    bytes.replaceSubrange(header + 5..<header + 9, with: [0xFF, 0xDC, 0xFF, 0xDC])
    let other = #expect(throws: ImageFileError.self) { try DecodedImage(bytes: bytes) }
    #expect(other?.description.contains("65500×65500 pixels") == true)
  }

  @Test func otherFilesAreRefusedByName() throws {
    #expect(throws: ImageFileError.unknownFormat(path: "image")) {
      try DecodedImage(bytes: Array("GIF89a".utf8))
    }
    let error = #expect(throws: ImageFileError.self) { try Self.decode(Samples.inks) }
    #expect(error?.description.contains("neither grey nor RGB") == true)
    try withTemporaryFolder { folder in
      let path = folder + "/none.png"
      let missing = #expect(throws: ImageFileError.self) { try DecodedImage(contentsOf: path) }
      #expect(missing?.path == path)
      try AtomicFile.write([UInt8](), to: path)
      #expect(throws: ImageFileError.malformed(path: path, reason: "the file is empty")) {
        try DecodedImage(contentsOf: path)
      }
    }
  }

  @Test(arguments: [1, 3, 4])
  func whatIsWrittenIsRead(channels: Int) throws {
    let shape: Shape = [5, 7, channels]
    let pixels = Tensor<UInt8>((0..<shape.count).map { UInt8($0 * 37 % 256) }, shape: shape)
    let image = DecodedImage(pixels: pixels)
    try withTemporaryFolder { folder in
      try image.writePNG(to: folder + "/a.png")
      let found = try DecodedImage(contentsOf: folder + "/a.png")
      #expect(found.pixels.shape == shape)
      #expect(found.pixels.elements == pixels.elements)
    }
    #expect(try image.pngBytes() == image.pngBytes())
  }

  @Test func coloursBecomeGrayAndTransparencyWhite() throws {
    // Rec. 601: 76.245, 149.685, 29.07, and 0.299 · 10 + 0.587 · 20 + 0.114 · 30 = 18.15.
    #expect(try Self.decode(Samples.rgb).grayscale().pixels.elements == [76, 150, 29, 18])
    let transparent = try Self.decode(Samples.transparent)
    #expect(transparent.rgb().pixels.elements == [255, 0, 0, 255, 255, 255])
    let gray = try Self.decode(Samples.gray)
    #expect(gray.rgb().pixels.elements.prefix(6) == [1, 1, 1, 2, 2, 2])
    #expect(gray.grayscale().pixels.elements == gray.pixels.elements)
  }

  @Test func smallerImagesAreMeansOverAreas() throws {
    let pixels = Tensor<UInt8>([0, 100, 200, 50, 60, 70], shape: [2, 3, 1])
    let image = DecodedImage(pixels: pixels)
    // Columns [0, 1.5) and [1.5, 3): (0 + 50) / 1.5 = 33.3 and (50 + 200) / 1.5 = 166.7 above,
    // (50 + 30) / 1.5 = 53.3 and (30 + 70) / 1.5 = 66.7 below.
    #expect(image.resized(width: 2, height: 2).pixels.elements == [33, 167, 53, 67])
    #expect(image.resized(width: 1, height: 1).pixels.elements == [80])
    let tall = image.resized(width: 3, height: 4)
    #expect(tall.pixels.elements.prefix(6) == [0, 100, 200, 0, 100, 200])
    let wide = image.resized(width: 6, height: 2)
    #expect(wide.pixels.elements.prefix(6) == [0, 0, 100, 100, 200, 200])
    let constant = DecodedImage(pixels: Tensor<UInt8>(repeating: 255, shape: [17, 13, 3]))
    #expect(constant.resized(width: 5, height: 7).pixels.elements.allSatisfy { $0 == 255 })
  }
}
