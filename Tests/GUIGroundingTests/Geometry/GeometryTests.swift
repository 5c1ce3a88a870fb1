import GUIGrounding
import Tensor
import TestSupport
import Testing

@Suite struct GeometryTests {
  private func randomView(_ generator: inout Philox) -> ViewTransform {
    let image = PixelSize(
      width: 1 + generator.integer(below: 4000),
      height: 1 + generator.integer(below: 3000)
    )
    let size = PixelSize(
      width: 1 + generator.integer(below: 2000),
      height: 1 + generator.integer(below: 2000)
    )
    // Also far outside the image.
    let center = GroundingPoint(
      x: Double(generator.uniform()) * 9000 - 2500,
      y: Double(generator.uniform()) * 9000 - 2500
    )
    let view = PixelSize(
      width: 1 + generator.integer(below: 1500),
      height: 1 + generator.integer(below: 1500)
    )
    let crop = PixelRect(center: center, size: size, in: image)
    #expect(crop.isInside(image))
    #expect(crop.width == min(size.width, image.width))
    #expect(crop.height == min(size.height, image.height))
    return ViewTransform(imageSize: image, crop: crop, view: view)
  }

  @Test func thereAndBackIsTheSame() {
    var generator = Philox(seed: 1)
    for _ in 0..<2000 {
      let view = randomView(&generator)
      let point = GroundingPoint(
        x: Double(generator.uniform()) * Double(view.imageSize.width),
        y: Double(generator.uniform()) * Double(view.imageSize.height)
      )
      expectClose(view.toImage(view.toView(point)), point)
      let corner = GroundingPoint(x: Double(view.view.width), y: Double(view.view.height))
      let far = GroundingPoint(
        x: Double(view.crop.x + view.crop.width),
        y: Double(view.crop.y + view.crop.height)
      )
      expectClose(view.toImage(corner), far)
    }
  }

  @Test func boxesInsideAreWhollyVisible() {
    var generator = Philox(seed: 2)
    for _ in 0..<2000 {
      let view = randomView(&generator)
      let crop = GroundingBox(view.crop)
      func inside(_ start: Double, _ extent: Double) -> (Double, Double) {
        let a = start + Double(generator.uniform()) * extent
        let b = start + Double(generator.uniform()) * extent
        return (min(a, b), max(a, b))
      }
      let (x0, x1) = inside(crop.x0, crop.width)
      let (y0, y1) = inside(crop.y0, crop.height)
      let box = GroundingBox(x0: x0, y0: y0, x1: x1, y1: y1)
      let shown = view.toView(box)
      #expect(shown?.visibleFraction == 1)
      expectClose(shown.map { view.toImage($0.box) }, box)
      // What hits in the view hits in the image.
      if let shown { #expect(box.contains(view.toImage(shown.box.center))) }
      let outside = GroundingBox(x0: crop.x1 + 1, y0: y0, x1: crop.x1 + 5, y1: y1)
      #expect(view.toView(outside) == nil)
    }
  }

  @Test func partsOfABoxAddUp() throws {
    let box = GroundingBox(x0: 10, y0: 20, x1: 50, y1: 40)
    let image = PixelSize(width: 100, height: 100)
    let view = PixelSize(width: 64, height: 64)
    let left = PixelRect(x: 0, y: 0, width: 20, height: 100)
    let right = PixelRect(x: 20, y: 0, width: 80, height: 100)
    let fractions = try [left, right].map { crop in
      let view = ViewTransform(imageSize: image, crop: crop, view: view)
      return try #require(view.toView(box)).visibleFraction
    }
    expectClose(fractions, [0.25, 0.75], absolute: 1e-12)
    let flat = GroundingBox(x0: 5, y0: 5, x1: 5, y1: 9)
    let shown = ViewTransform(imageSize: image, crop: left, view: view).toView(flat)
    #expect(shown?.visibleFraction == 1)
  }

  @Test func cropsOfImpossiblePointsStayInside() {
    let image = PixelSize(width: 100, height: 80)
    let size = PixelSize(width: 30, height: 30)
    for (x, y) in [(1e300, -1e300), (Double.infinity, -.infinity), (.nan, .nan)] {
      let crop = PixelRect(center: GroundingPoint(x: x, y: y), size: size, in: image)
      #expect(crop.isInside(image) && crop.size == size)
    }
    let end = GroundingPoint(x: 1e300, y: 1e300)
    let crop = PixelRect(center: end, size: size, in: image)
    #expect(crop == PixelRect(x: 70, y: 50, width: 30, height: 30))
    #expect(!PixelRect(x: .max, y: 0, width: .max, height: 1).isInside(image))
    #expect(!PixelRect(x: 0, y: 0, width: 0, height: 1).isInside(image))
  }

  @Test func targetsOfSeveralBoxesAndPoints() {
    let small = GroundingBox(x0: 0, y0: 0, x1: 4, y1: 4)
    let large = GroundingBox(x0: 10, y0: 10, x1: 30, y1: 20)
    let target = GroundingTarget(boxes: [small, large])
    #expect(target.boundingBox == large && target.center == GroundingPoint(x: 20, y: 15))
    #expect(target.contains(GroundingPoint(x: 4, y: 4)))
    #expect(!target.contains(GroundingPoint(x: 7, y: 7)))
    let point = GroundingTarget(point: GroundingPoint(x: 5, y: 5), radius: 2)
    #expect(point.contains(GroundingPoint(x: 5, y: 7)))
    #expect(!point.contains(GroundingPoint(x: 7, y: 7)))
    let vague = GroundingTarget(point: GroundingPoint(x: 5, y: 5))
    #expect(!vague.isScorable && !vague.contains(GroundingPoint(x: 5, y: 5)))
  }

  @Test func conventionsInvertEachOther() {
    var generator = Philox(seed: 3)
    let (view, source) = (PixelSize(width: 1288, height: 728), PixelSize(width: 1920, height: 1080))
    for space in CoordinateSpace.allCases {
      for order in CoordinateOrder.allCases {
        let convention = CoordinateConvention(space, order: order)
        let point = GroundingPoint(
          x: Double(generator.uniform()) * 1288,
          y: Double(generator.uniform()) * 728
        )
        let written = convention.written(point, view: view, source: source)
        expectClose(convention.toView(written, view: view, source: source), point)
        let transform = ViewTransform(imageSize: source, view: view)
        let image = convention.toSource(written, view: view, source: source)
        expectClose(transform.toImage(point), image)
      }
    }
    let gemini = CoordinateConvention(.thousand, order: .yx)
    let written = GroundingPoint(x: 250, y: 500)
    let found = gemini.toSource(written, view: view, source: source)
    expectClose(found, GroundingPoint(x: 960, y: 270))
  }

  /// What a server resizes by the same rule is left alone by it.
  @Test func smartSizesAreFixedPoints() throws {
    var generator = Philox(seed: 4)
    for rule in [ResizeRule.transformersDefault, .qwen25VL, .gta1, .guiR1, .qwen3VL] {
      for _ in 0..<300 {
        let image = PixelSize(
          width: 60 + generator.integer(below: 4000),
          height: 60 + generator.integer(below: 3000)
        )
        let size = try rule.size(for: image)
        #expect(try rule.size(for: size) == size, "\(rule), \(image)")
      }
    }
    #expect(try ResizeRule.none.size(for: PixelSize(width: 7, height: 9)).width == 7)
    #expect(throws: ResizeError.self) {
      try ResizeRule.none.size(for: PixelSize(width: 0, height: 9))
    }
    #expect(throws: ResizeError.self) {
      try ResizeRule.smart(factor: 0, minimumPixels: 1, maximumPixels: 2)
        .size(for: PixelSize(width: 10, height: 10))
    }
  }
}
