import Checkpoints
import Foundation
import GUIGrounding
import TestSupport
import Testing

@Suite struct GroundingDatasetTests {
  private func load(
    _ text: String,
    _ layout: GroundingLayout,
    name: String = "rows.json",
    _ change: (inout GroundingDataOptions) -> Void = { $0.images = .annotationsOnly }
  ) throws -> GroundingDataset {
    try withTemporaryFolder { folder in
      try AtomicFile.write(text, to: folder + "/" + name)
      var options = GroundingDataOptions()
      change(&options)
      return try GroundingDataset.load(folder + "/" + name, layout: layout, options: options)
    }
  }

  private func reason(_ text: String, _ layout: GroundingLayout) -> (Int, String) {
    do {
      _ = try load(text, layout)
      return (0, "")
    } catch let GroundingDataError.row(issue) {
      return (issue.row, issue.reason)
    } catch { return (-1, "\(error)") }
  }

  private static let pro = """
    {"id": "ID", "img_filename": "a.png", "bbox": BOX, "img_size": [100, 80], \
    "instruction": "save", "ui_type": "icon", "group": "Dev", "platform": "linux"}
    """

  private func pro(_ box: String, id: String = "x") -> String {
    Self.pro.replacingOccurrences(of: "BOX", with: box).replacingOccurrences(of: "ID", with: id)
  }

  @Test func faultsNameRowAndReason() {
    let good = pro("[1, 2, 3, 4]")
    let faults: [(String, String)] = [
      (pro("[1, 2, 3]"), "has 3 numbers, not 4"), (pro("\"no\""), "a list is needed"),
      (pro("[3, 2, 1, 4]"), "wrong order"), (pro("[1, 2, 101.5, 4]"), "sticks out"),
      (pro("[-1.5, 2, 3, 4]"), "sticks out"), (pro("[1, 2, null, 4]"), "more than numbers"),
      (pro("[0, 0, 1e308, 1e308]"), "sticks out"), ("[1]", "a list, an object is needed"),
      (good.replacingOccurrences(of: "\"save\"", with: "\" \""), "blank"),
      (good.replacingOccurrences(of: "\"instruction\"", with: "\"task\""), "no \"instruction\""),
      (good.replacingOccurrences(of: "[100, 80]", with: "[0, 80]"), "says 0.0 × 80.0 pixels"),
      (good.replacingOccurrences(of: "[100, 80]", with: "[1e99, 80]"), "says 1e+99"),
      (good.replacingOccurrences(of: "\"a.png\"", with: "7"), "a string is needed"),
    ]
    for (row, text) in faults {
      let (number, reason) = reason("[\(good), \(row)]", .screenSpotPro)
      #expect(number == 2 && reason.contains(text), "\(row): \(number), \(reason)")
    }
    let (line, broken) = reason("\(good)\n\n{\"id\": \n\(good)", .screenSpotPro)
    #expect(line == 3 && broken.contains("json"))
    #expect(reason("[\(good)", .screenSpotPro).0 == -1)
    #expect(reason("", .screenSpotPro).0 == 0)
  }

  @Test func badRowsMayBeSkipped() throws {
    let rows = [pro("[1, 2, 3, 4]"), pro("[9, 2, 3, 4]"), pro("[0, 0, 100.5, 80.5]")]
    let data = try load("[" + rows.joined(separator: ",") + "]", .screenSpotPro) {
      $0.images = .annotationsOnly
      $0.badRows = .skip
    }
    #expect(data.items.map(\.id) == ["x", "x~2"])
    #expect(data.skipped.map(\.row) == [2])
    // Less than a pixel outside is cut off.
    let box = try #require(data.items[1].target.boundingBox)
    #expect(box == GroundingBox(x0: 0, y0: 0, x1: 100, y1: 80))
    #expect(data.items[0].platform == "linux" && data.items[0].dataType == "icon")
    let limited = try load("[" + rows[0] + "," + rows[0] + "]", .screenSpotPro) {
      $0.images = .annotationsOnly
      $0.itemLimit = 1
    }
    #expect(limited.items.count == 1)
  }

  @Test func imagesAreLookedAt() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/rows.json"
      try AtomicFile.write("[\(pro("[1, 2, 3, 4]"))]", to: path)
      func failure(_ images: ImageChecking, pixelLimit: Int = 1 << 20) -> String {
        var options = GroundingDataOptions()
        options.images = images
        options.pixelLimit = pixelLimit
        do {
          let data = try GroundingDataset.load(path, layout: .screenSpotPro, options: options)
          _ = try data.image(data.items[0])
          return ""
        } catch { return "\(error)" }
      }
      #expect(failure(.size).contains("row 1: image \(folder)/a.png"))
      #expect(failure(.annotationsOnly).hasPrefix("image \(folder)/a.png"))
      let image = RGBImage(size: PixelSize(width: 100, height: 80), color: .white)
      try image.write(to: folder + "/a.png")
      #expect(failure(.size) == "" && failure(.decode) == "")
      #expect(failure(.size, pixelLimit: 7999).contains("at most 7999 are allowed"))
      try AtomicFile.write(Array(try image.png().dropLast(60)), to: folder + "/a.png")
      #expect(failure(.decode).contains("damaged or cut off"))
      // The header is whole: only the pixels are not.
      #expect(failure(.size).hasPrefix("image \(folder)/a.png"))
      try AtomicFile.write("GIF89a", to: folder + "/a.png")
      #expect(failure(.size).contains("neither PNG nor JPEG"))
      let other = RGBImage(size: PixelSize(width: 80, height: 100), color: .white)
      try other.write(to: folder + "/a.png")
      #expect(failure(.size).contains("is 80×100, the row says 100×80"))
    }
  }

  @Test func sharesWaitForTheSize() throws {
    let row = """
      {"img_filename": "a.png", "bbox": [0.1, 0.2, 1.0005, 0.4], "instruction": "go"}
      """
    let waiting = try load("[\(row)]", .osAtlas).items[0]
    #expect(waiting.unit == .shares && waiting.imageSize == nil)
    #expect(waiting.target.boundingBox?.x1 == 1)
    #expect(!GroundingOutcome(waiting, point: GroundingPoint(x: 0.5, y: 0.3)).isScorable)
    let known = try load("[\(row)]", .osAtlas) {
      $0.images = .annotationsOnly
      $0.imageSizes = ["a.png": PixelSize(width: 200, height: 100)]
    }.items[0]
    expectClose(known.target.boundingBox, GroundingBox(x0: 20, y0: 20, x1: 200, y1: 40))
    #expect(reason("[\(row.replacingOccurrences(of: "1.0005", with: "1.1"))]", .osAtlas).0 == 1)
  }

  @Test func elementsAndNestedLayouts() throws {
    let atlas = """
      [{"img_filename": "a.png", "elements": [{"instruction": "one", "bbox": [0, 0, 0.5, 1]},
        {"instruction": "two", "bbox": [0.5, 0, 1]}]}]
      """
    let (row, fault) = reason(atlas, .osAtlas)
    #expect(row == 1 && fault.contains("element 2") && fault.contains("3 numbers"))
    // A bad element leaves nothing of its row.
    let data = try load(atlas, .osAtlas) {
      $0.images = .annotationsOnly
      $0.badRows = .skip
    }
    #expect(data.items.isEmpty && data.skipped.count == 1)
  }

  @Test func screenSpotKnowsItsPlatforms() throws {
    func row(_ source: String) -> String {
      """
      {"img_filename": "a.png", "bbox": [1, 2, 3, 4], "instruction": "go", "data_type": "text", \
      "data_source": "\(source)"}
      """
    }
    let sources = ["ios", "macos", "shop", "other"].map(row).joined(separator: ",")
    let items = try load("[\(sources)]", .screenSpotV2, name: "screenspot_mobile_v2.json").items
    #expect(items.map(\.platform) == ["mobile", "desktop", "web", "mobile"])
    #expect(items[0].target.boundingBox == GroundingBox(x0: 1, y0: 2, x1: 4, y1: 6))
    #expect(items[1].id == "screenspot_mobile_v2#2")
    let described = """
      {"img_filename": "b.png", "bbox": [1, 2, 3, 4], "instruction": "go", "scale": 0.5, \
      "description": "the green arrow", "platform": "web", "data_type": "icon"}
      """
    let other = try load(described, .uGroundScreenSpot, name: "re.jsonl").items[0]
    #expect(other.instruction == "the green arrow" && other.platform == "web")
  }

  @Test func conversationsKeepWhatNamesAPlace() throws {
    let text = """
      [{"id": "c", "image": "a.png", "conversations": [
        {"from": "human", "value": "<image>\\nWhere is it?"}, {"from": "gpt", "value": "[0.5, 0.25]"},
        {"from": "human", "value": "What is it?"}, {"from": "gpt", "value": "A page."},
        {"from": "human", "value": "And the box?"}, {"from": "gpt", "value": "(0, 0, 0.1, 0.2)"}]}]
      """
    let data = try load(text, .conversations) {
      $0.images = .annotationsOnly
      $0.imageSizes = ["a.png": PixelSize(width: 200, height: 100)]
      $0.pointRadius = 5
    }
    #expect(data.items.map(\.instruction) == ["Where is it?", "And the box?"])
    #expect(data.items.map(\.id) == ["c.1", "c.3"] && data.otherTaskCount == 1)
    #expect(data.items[0].target.contains(GroundingPoint(x: 103, y: 27)))
    expectClose(data.items[1].target.boundingBox, GroundingBox(x0: 0, y0: 0, x1: 20, y1: 20))
    let odd = text.replacingOccurrences(of: "\"from\": \"gpt\"", with: "\"from\": \"bot\"")
    #expect(reason(odd, .conversations).1.contains("turn 2: is from bot, gpt is needed"))
  }

  @Test func clicksAndPointsOfGUIR1() throws {
    let text = """
      {"instruction": "a", "gt_action": "scroll", "gt_bbox": [0, 0]}
      {"instruction": "b", "gt_action": "click", "gt_bbox": [0.5, 0.5], "image": "a.png"}
      {"instruction": "c", "gt_action": "click", "gt_bbox": [0.5, 0.5, 1, 1], "image": "a.png"}
      """
    let data = try load(text, .guiR1, name: "rows.jsonl") {
      $0.images = .annotationsOnly
      $0.imageSizes = ["a.png": PixelSize(width: 100, height: 50)]
    }
    #expect(data.otherTaskCount == 1 && data.items.map(\.instruction) == ["b", "c"])
    #expect(data.items[0].target.point == GroundingPoint(x: 50, y: 25))
    #expect(!data.items[0].target.isScorable && data.items[1].target.isScorable)
  }

  /// Boxes in the pixels of a declared size follow an image that was made smaller.
  @Test func autoGUIFollowsTheImage() throws {
    let text = """
      [{"func": "opens the menu", "unnormalized_box": [200, 100, 400, 200], "elem_role": "button",
        "image_size": "2560x1440", "device": "web", "img_filename": "a.png"}]
      """
    let declared = try load(text, .autoGUI).items[0]
    #expect(declared.target.boundingBox?.x1 == 400 && declared.kind == "button")
    let half = try load(text, .autoGUI) {
      $0.images = .annotationsOnly
      $0.imageSizes = ["a.png": PixelSize(width: 1280, height: 720)]
    }.items[0]
    expectClose(half.target.boundingBox, GroundingBox(x0: 100, y0: 50, x1: 200, y1: 100))
    let odd = text.replacingOccurrences(of: "2560x1440", with: "large")
    #expect(reason(odd, .autoGUI).1.contains("not a width and a height"))
  }

  @Test func foldersAreReadInOrder() throws {
    try withTemporaryFolder { folder in
      #expect(throws: GroundingDataError.noFiles(folder: folder)) {
        try GroundingDataset.load(folder, layout: .screenSpotPro)
      }
      for name in ["b", "a"] {
        let path = "\(folder)/\(name).json"
        try AtomicFile.write("[\(pro("[1, 2, 3, 4]", id: name))]", to: path)
      }
      var options = GroundingDataOptions()
      options.images = .annotationsOnly
      let data = try GroundingDataset.load(folder, layout: .screenSpotPro, options: options)
      #expect(data.items.map(\.id) == ["a", "b"] && data.files.count == 2)
      #expect(throws: GroundingDataError.self) {
        try GroundingDataset.load(folder + "/none", layout: .native)
      }
    }
  }

  @Test(.enabled(if: DataFolder.has("gui/elements.jsonl"), "\(DataFolder.skipMessage("gui"))"))
  func renderedPagesLoad() throws {
    let data = try GroundingDataset.load(DataFolder.path("gui"), layout: .native)
    #expect(data.items.count == 1187)
    #expect(data.items(split: "train").count == 913 && data.items(split: "test").count == 274)
    #expect(data.items.count { $0.ordinal != nil } == 116)
    #expect(data.items.count { $0.dataType == "icon" } == 105)
    #expect(Set(data.items.map(\.imagePath)).count == 83)
    let image = try data.image(data.items[0])
    #expect(image.size == PixelSize(width: 1280, height: 720))
    #expect(data.items.allSatisfy { $0.target.center.map($0.target.contains) ?? false })
  }
}
