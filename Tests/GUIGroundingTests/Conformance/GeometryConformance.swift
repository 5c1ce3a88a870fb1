import Checkpoints
import GUIGrounding
import TestSupport
import Testing

extension GUIGroundingConformance {
  @Test func smartResizeAgrees() throws {
    let cases = try JSONValue.cases("smart-resize.json")
    try #require(!cases.isEmpty)
    for example in cases {
      let rule = ResizeRule.smart(
        factor: try example.int("factor"),
        minimumPixels: try example.int("min_pixels"),
        maximumPixels: try example.int("max_pixels")
      )
      let image = PixelSize(width: try example.int("width"), height: try example.int("height"))
      if example["error"] != nil {
        #expect(throws: ResizeError.aspect(image), "\(example)") { try rule.size(for: image) }
        continue
      }
      let expected = PixelSize(
        width: try example.int("out_width"),
        height: try example.int("out_height")
      )
      #expect(try rule.size(for: image) == expected, "\(example)")
    }
  }

  @Test func presetsAreThoseOfTheFixtures() throws {
    let presets: [String: ResizeRule] = [
      "transformers default": .transformersDefault,
      "Qwen2.5-VL-Instruct preprocessor": .qwen25VL,
      "ScreenSpot-Pro harness": .screenSpotPro,
      "GTA1": .gta1,
      "GUI-R1 (EasyR1)": .guiR1,
      "Qwen3-VL patch 16 x merge 2": .qwen3VL,
    ]
    for example in try JSONValue.cases("smart-resize.json") {
      guard let preset = presets[try example.string("preset")] else { continue }
      let rule = ResizeRule.smart(
        factor: try example.int("factor"),
        minimumPixels: try example.int("min_pixels"),
        maximumPixels: try example.int("max_pixels")
      )
      #expect(preset == rule, "\(example)")
    }
  }

  @Test func cropsMapThereAndBack() throws {
    let file = try JSONValue.read(Fixtures.file("gui/crop-remap.json"))
    for example in try file.list("crop") {
      let image = try example.size("image")
      let rect = PixelRect(
        center: try #require(example["centre"]).point(),
        size: try example.size("crop_size"),
        in: image
      )
      #expect(try rect == example.rect("rect"), "\(example)")
      let view = ViewTransform(imageSize: image, crop: rect, view: try example.size("view"))
      let points = try example.list("view_points").map { try $0.point() }
      let images = try example.list("image_points").map { try $0.point() }
      let back = try example.list("round_trip").map { try $0.point() }
      for index in points.indices {
        expectClose(view.toImage(points[index]), images[index], "\(example)")
        expectClose(view.toView(images[index]), back[index], "\(example)")
      }
    }
  }

  @Test func boxesAreCutToTheView() throws {
    let file = try JSONValue.read(Fixtures.file("gui/crop-remap.json"))
    for example in try file.list("box") {
      let view = ViewTransform(
        imageSize: try example.size("image"),
        crop: try example.rect("rect"),
        view: try example.size("view")
      )
      let found = view.toView(try #require(example["box"]).box())
      let fraction = try example.double("visible_fraction")
      expectClose([found?.visibleFraction ?? 0], [fraction], absolute: 1e-9, "\(example)")
      let expected = try #require(example["view_box"])
      expectClose(found?.box, expected.isNull ? nil : try expected.box(), "\(example)")
    }
  }

  @Test func hitsIncludeTheSides() throws {
    let file = try JSONValue.read(Fixtures.file("gui/crop-remap.json"))
    for example in try file.list("hit") {
      let target = GroundingTarget(box: try #require(example["box"]).box())
      let point = try #require(example["point"]).point()
      #expect(try target.contains(point) == example.bool("hit"), "\(example)")
    }
  }
}
