import GUIGrounding
import ImageFiles
import Tensor
import TestSupport
import Testing

@Suite struct RGBImageTests {
  private func noise(_ size: PixelSize, seed: UInt64 = 1) -> RGBImage {
    var generator = Philox(seed: seed)
    let pixels = (0..<size.pixelCount * 3).map { _ in
      UInt8(truncatingIfNeeded: generator.nextWord())
    }
    return RGBImage(size: size, pixels: pixels)
  }

  /// Each result is (sum of nine + 4.5) / 9, cut off.
  @Test func shrinkingByThreeIsTheExactMean() {
    let image = noise(PixelSize(width: 21, height: 33))
    let small = image.resized(to: PixelSize(width: 7, height: 11))
    for y in 0..<11 {
      for x in 0..<7 {
        var sum = 0
        for part in 0..<9 {
          sum += Int(image[x: 3 * x + part % 3, y: 3 * y + part / 3].green)
        }
        let exact = Double(sum) / 9
        #expect(abs(Double(small[x: x, y: y].green) - exact) <= 0.5001, "\(x), \(y)")
      }
    }
  }

  /// Against the area mean of the decoder's module, where both axes shrink.
  @Test(arguments: [(100, 70, 33, 41), (64, 64, 64, 7), (17, 5, 1, 1), (90, 90, 89, 90)])
  func shrinkingIsTheAreaMean(_ width: Int, _ height: Int, _ newWidth: Int, _ newHeight: Int) {
    let image = noise(PixelSize(width: width, height: height))
    let decoded = DecodedImage(pixels: Tensor(image.pixels, shape: [height, width, 3]))
    let expected = decoded.resized(width: newWidth, height: newHeight).pixels.elements
    let found = image.resized(to: PixelSize(width: newWidth, height: newHeight)).pixels
    let worst = zip(found, expected).map { abs(Int($0) - Int($1)) }.max() ?? 255
    #expect(found.count == expected.count && worst <= 1)
  }

  /// Two columns 0 and 100 to four: centres at −¼, ¼, ¾, 1¼ give 0, 25, 75, 100.
  @Test func growingIsLinearBetweenCenters() {
    let image = RGBImage(
      size: PixelSize(width: 2, height: 1),
      pixels: [0, 0, 0, 100, 100, 100]
    )
    let wide = image.resized(to: PixelSize(width: 4, height: 3))
    for row in 0..<3 {
      #expect((0..<4).map { wide[x: $0, y: row].red } == [0, 25, 75, 100])
    }
    let flat = RGBImage(size: PixelSize(width: 5, height: 4), color: RGBColor(7, 200, 255))
    let grown = flat.resized(to: PixelSize(width: 13, height: 3))
    #expect(grown == RGBImage(size: PixelSize(width: 13, height: 3), color: RGBColor(7, 200, 255)))
  }

  @Test func cropsTakeTheirPixels() {
    let image = noise(PixelSize(width: 9, height: 8))
    let crop = image.cropped(to: PixelRect(x: 2, y: 3, width: 4, height: 5))
    #expect(crop.size == PixelSize(width: 4, height: 5))
    for y in 0..<5 { for x in 0..<4 { #expect(crop[x: x, y: y] == image[x: x + 2, y: y + 3]) } }
    #expect(image.cropped(to: image.size.bounds) == image)
  }

  @Test func filesReadBack() throws {
    let image = noise(PixelSize(width: 31, height: 17))
    let bytes = try image.png()
    #expect(RGBImage(try DecodedImage(bytes: bytes)) == image)
    try withTemporaryFolder { folder in
      try image.write(to: folder + "/a.png")
      #expect(try RGBImage(contentsOf: folder + "/a.png") == image)
      #expect(throws: ImageFileError.self) {
        try RGBImage(contentsOf: folder + "/a.png", pixelLimit: 500)
      }
    }
  }

  @Test func marksCoverWhatTheySay() {
    let red = RGBColor(255, 0, 0)
    var image = RGBImage(size: PixelSize(width: 20, height: 20), color: .black)
    image.fill(GroundingBox(x0: 2, y0: 3, x1: 5.5, y1: 6), Pen(red))
    #expect(image[x: 2, y: 3] == red && image[x: 4, y: 5] == red)
    #expect(image[x: 5, y: 4].red == 128 && image[x: 6, y: 4].red == 0)
    #expect(image[x: 2, y: 2].red == 0 && image[x: 2, y: 6].red == 0)
    image = RGBImage(size: image.size, color: .black)
    image.fill(GroundingBox(x0: 0, y0: 0, x1: 20, y1: 20), Pen(red, opacity: 0.5))
    #expect(image[x: 9, y: 9].red == 128)
    image = RGBImage(size: image.size, color: .black)
    image.stroke(GroundingBox(x0: 4, y0: 4, x1: 16, y1: 12), Pen(red, width: 2))
    #expect(image[x: 3, y: 3] == red && image[x: 4, y: 8] == red && image[x: 15, y: 8] == red)
    #expect(image[x: 10, y: 12] == red && image[x: 10, y: 8].red == 0 && image[x: 2, y: 8].red == 0)
    image = RGBImage(size: image.size, color: .black)
    image.disc(GroundingPoint(x: 10, y: 10), radius: 4, Pen(red))
    let area = image.pixels.reduce(0) { $0 + Double($1) / 255 }
    #expect(abs(area - 16 * 3.14159) < 1.5, "\(area)")
    image = RGBImage(size: image.size, color: .black)
    image.line(
      from: GroundingPoint(x: 2, y: 10.5),
      to: GroundingPoint(x: 18, y: 10.5),
      Pen(red)
    )
    #expect(image[x: 10, y: 10] == red && image[x: 10, y: 9].red == 0)
  }

  @Test func marksOutsideAreCutOff() {
    let size = PixelSize(width: 8, height: 6)
    var image = RGBImage(size: size, color: .white)
    let before = image
    let pen = Pen(.black, width: 3)
    let far = GroundingPoint(x: 1e300, y: -1e300)
    image.disc(far, radius: 5, pen)
    image.circle(far, radius: 5, pen)
    image.cross(GroundingPoint(x: .nan, y: 3), radius: 5, pen)
    image.fill(GroundingBox(x0: 100, y0: 100, x1: 200, y1: 200), pen)
    image.stroke(GroundingBox(x0: 5, y0: 5, x1: 1, y1: 1), pen)
    #expect(image == before)
    image.line(from: GroundingPoint(x: -1e6, y: 3), to: GroundingPoint(x: 1e6, y: 3), pen)
    #expect(image[x: 0, y: 3].red == 0 && image[x: 7, y: 3].red == 0)
  }

  @Test func heatFollowsItsFunction() {
    var image = RGBImage(size: PixelSize(width: 40, height: 40), color: .black)
    let region = PixelRect(x: 4, y: 4, width: 32, height: 32)
    image.heat(region, Pen(RGBColor(255, 0, 0)), step: 5) { $0.x / 40 }
    #expect(image[x: 3, y: 20].red == 0 && image[x: 36, y: 20].red == 0)
    for x in [4, 17, 35] {
      let expected = (Double(x) + 0.5) / 40 * 255
      #expect(abs(Double(image[x: x, y: 20].red) - expected) < 1.5)
    }
  }

  @Test func picturesOfSearchesShowTheAnswer() async throws {
    let box = GroundingBox(x0: 100, y0: 60, x1: 140, y1: 90)
    let image = page(PixelSize(width: 300, height: 200), target: box)
    let votes = [(120, 75), (122, 76), (118, 74), (200, 150)].map { x, y in
      GroundingPoint(x: x, y: y)
    }
    let search = SpatialSearch.vote
    let result = try await search.run(
      ClosurePolicy(points: votes),
      image: image,
      instruction: "the red one"
    )
    let style = SearchPicture()
    let picture = style.draw(on: image, result, target: GroundingTarget(box: box))
    #expect(picture.size == image.size && picture != image)
    let point = try #require(result.point)
    #expect(picture[x: Int(point.x), y: Int(point.y)] == style.answerColor)
    #expect(picture[x: 5, y: 5] == .white)
    #expect(picture[x: 200, y: 150] != .white)
  }
}
