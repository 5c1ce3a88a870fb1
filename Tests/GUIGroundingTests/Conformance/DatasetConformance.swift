import Checkpoints
import GUIGrounding
import TestSupport
import Testing

extension GUIGroundingConformance {
  @Test func annotationsBecomeItems() throws {
    let cases = try JSONValue.cases("dataset-schemas.json")
    try #require(!cases.isEmpty)
    for (index, example) in cases.enumerated() {
      let layout = try #require(GroundingLayout(rawValue: example.string("format")), "\(example)")
      let raw = try #require(example["raw"])
      let size = try example.size("image_size")
      for container in ["json", "jsonl"] {
        let items = try withTemporaryFolder { folder in
          let path = "\(folder)/case_\(index).\(container)"
          let text = container == "json" ? "[\(raw.serialized())]" : raw.serialized() + "\n"
          try AtomicFile.write(text, to: path)
          var options = GroundingDataOptions()
          options.images = .annotationsOnly
          let names = ["img_filename", "img_url", "image"].compactMap { raw[$0]?.stringValue }
          for name in names + [""] { options.imageSizes[name] = size }
          return try GroundingDataset.load(path, layout: layout, options: options).items
        }
        let expected = try example.list("expected")
        #expect(items.count == expected.count, "\(example)")
        for (item, expected) in zip(items, expected) {
          #expect(item.imageSize == size && item.unit == .pixels, "\(example)")
          try check(item, expected)
        }
      }
    }
  }

  private func check(_ item: GroundingItem, _ expected: JSONValue) throws {
    for (key, value) in try #require(expected.objectValue) {
      switch key {
      case "image": #expect(item.imagePath == value.stringValue, "\(expected)")
      case "instruction": #expect(item.instruction == value.stringValue, "\(expected)")
      case "data_type": #expect(item.dataType == value.stringValue, "\(expected)")
      case "source": #expect(item.source == value.stringValue, "\(expected)")
      case "group": #expect(item.group == value.stringValue, "\(expected)")
      case "application": #expect(item.application == value.stringValue, "\(expected)")
      case "id": #expect(item.id == value.stringValue, "\(expected)")
      case "box":
        expectClose(item.target.boxes.first, try value.box(), absolute: 1e-6, "\(expected)")
        #expect(item.target.boxes.count == 1)
      case "point":
        expectClose(item.target.point, try value.point(), absolute: 1e-6, "\(expected)")
      default: Issue.record("\(key) of \(expected) is not compared")
      }
    }
  }
}
