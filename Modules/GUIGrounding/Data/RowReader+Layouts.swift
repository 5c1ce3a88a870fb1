import Checkpoints
import Foundation

extension RowReader {
  /// `bbox` x, y, width, height; `data_source` says the platform, or the row, or the file's name.
  func screenSpot() throws(RowFault) -> RowTargets {
    let box = try Self.numbers(row, "bbox")
    guard box.count == 4 else { throw RowFault("\"bbox\" has \(box.count) numbers, not 4") }
    let isDescribed = layout == .uGroundScreenSpot && text("description") != nil
    var item = try item(
      image: try string(text("img_filename") == nil && isDescribed ? "image" : "img_filename"),
      size: nil,
      instruction: try string(isDescribed ? "description" : "instruction")
    )
    item.dataType = text("data_type")
    item.source = text("data_source")
    item.platform = text("platform") ?? platform(of: item.source)
    let corners = GroundingBox(
      x0: box[0],
      y0: box[1],
      x1: box[0] + box[2],
      y1: box[1] + box[3]
    )
    return RowTargets(found: [RowTarget(item: item, frame: .pixels, boxes: [corners])])
  }

  private func platform(of source: String?) -> String? {
    switch source {
    case "ios", "android": return "mobile"
    case "windows", "macos": return "desktop"
    case "gitlab", "shop", "forum", "tool": return "web"
    default:
      let name = URL(fileURLWithPath: path).lastPathComponent
      return ["mobile", "desktop", "web"].first { name.contains("_" + $0) }
    }
  }

  /// `bbox` x0, y0, x1, y1.
  func screenSpotPro() throws(RowFault) -> RowTargets {
    var item = try item(
      image: try string("img_filename"),
      size: try size("img_size"),
      instruction: try string("instruction")
    )
    item.dataType = text("ui_type")
    item.platform = text("platform")
    item.source = item.platform
    item.group = text("group")
    item.application = text("application")
    let box = try Self.corners(row, "bbox")
    return RowTargets(found: [RowTarget(item: item, frame: .pixels, boxes: [box])])
  }

  /// One element, or a list of them.
  func osAtlas() throws(RowFault) -> RowTargets {
    guard row["elements"] == nil else {
      return try elements("elements", image: "img_filename", size: nil)
    }
    var item = try item(
      image: try string("img_filename"),
      size: nil,
      instruction: try string("instruction")
    )
    item.dataType = text("data_type")
    let box = try Self.corners(row, "bbox")
    return RowTargets(found: [RowTarget(item: item, frame: .shares(1), boxes: [box])])
  }

  /// A list of elements with corners as shares.
  func elements(
    _ key: String,
    image: String,
    size sizeKey: String?
  ) throws(RowFault) -> RowTargets {
    let image = try string(image)
    var size: PixelSize?
    if let sizeKey { size = try self.size(sizeKey) }
    var targets = RowTargets()
    for (index, element) in try Self.list(row, key).enumerated() {
      do throws(RowFault) {
        var item = try item(
          image: image,
          size: size,
          instruction: try Self.string(element, "instruction"),
          element: index
        )
        item.dataType = element["data_type"]?.stringValue
        item.platform = layout == .seeClick ? "web" : nil
        let box = try Self.corners(element, "bbox")
        targets.found.append(RowTarget(item: item, frame: .shares(1), boxes: [box]))
      } catch {
        throw RowFault("element \(index + 1): \(error.reason)")
      }
    }
    return targets
  }

  /// `bbox` in thousandths, the instruction in the first turn.
  func gta1() throws(RowFault) -> RowTargets {
    guard let first = try Self.list(row, "conversations").first else {
      throw RowFault("\"conversations\" is empty")
    }
    let item = try item(
      image: try string("image"),
      size: nil,
      instruction: Self.withoutImageTag(try Self.string(first, "value"))
    )
    let box = try Self.corners(row, "bbox")
    return RowTargets(found: [RowTarget(item: item, frame: .shares(1000), boxes: [box])])
  }

  /// `gt_bbox` of four numbers, or two for a point; actions other than clicks are other tasks.
  func guiR1(_ options: GroundingDataOptions) throws(RowFault) -> RowTargets {
    guard try string("gt_action") == "click" else { return RowTargets(otherTaskCount: 1) }
    let numbers = try Self.numbers(row, "gt_bbox")
    let item = try item(
      image: text("image") ?? "",
      size: nil,
      instruction: try string("instruction")
    )
    var target = RowTarget(item: item, frame: .shares(1))
    switch numbers.count {
    case 4: target.boxes = [try Self.corners(row, "gt_bbox")]
    case 2:
      target.point = GroundingPoint(x: numbers[0], y: numbers[1])
      target.radius = options.pointRadius
    default: throw RowFault("\"gt_bbox\" has \(numbers.count) numbers, not 2 or 4")
    }
    return RowTargets(found: [target])
  }

  /// `unnormalized_box` in the pixels of `image_size`, which is written `1280x720`.
  func autoGUI() throws(RowFault) -> RowTargets {
    var size: PixelSize?
    if let written = text("image_size") {
      let parts = written.split { $0 == "x" || $0 == "×" || $0 == "," }.map { part in
        Double(part.trimmingCharacters(in: CharacterSet(charactersIn: " ()[]")))
      }
      guard parts.count == 2, let width = parts[0], let height = parts[1] else {
        throw RowFault("\"image_size\" is \"\(written)\", not a width and a height")
      }
      size = try Self.size(width, height, "image_size")
    } else {
      size = try self.size("image_size")
    }
    var item = try item(
      image: text("img_filename") ?? text("image") ?? "",
      size: size,
      instruction: try string("func")
    )
    item.kind = text("elem_role")
    item.platform = text("device")
    item.name = text("elem_text")
    let box = try Self.corners(row, "unnormalized_box")
    return RowTargets(found: [RowTarget(item: item, frame: .pixels, boxes: [box])])
  }

  /// This package's own rows; `boxes` where an element has several.
  func native() throws(RowFault) -> RowTargets {
    guard let id = text("id") else { throw RowFault("no \"id\"") }
    guard let size = try size("image_size") else { throw RowFault("no \"image_size\"") }
    var item = try item(
      image: try string("image"),
      size: size,
      instruction: try string("instruction")
    )
    item.id = id
    item.kind = text("kind")
    item.name = text("name")
    item.dataType = text("data_type")
    item.ordinal = row["ordinal"]?.intValue
    item.region = text("region")
    item.source = text("source")
    item.split = text("split")
    item.platform = text("platform")
    item.group = text("group")
    item.application = text("application")
    let boxes = try nativeBoxes()
    return RowTargets(found: [RowTarget(item: item, frame: .pixels, boxes: boxes)])
  }

  /// All `boxes`, and `bbox` where none of them holds it.
  private func nativeBoxes() throws(RowFault) -> [GroundingBox] {
    let largest = try Self.corners(row, "bbox")
    guard let all = row["boxes"], !all.isNull else { return [largest] }
    var boxes: [GroundingBox] = []
    for (index, box) in try Self.list(row, "boxes").enumerated() {
      let n = try Self.numbers(box.arrayValue ?? [], "boxes")
      guard n.count == 4 else {
        throw RowFault("box \(index + 1) of \"boxes\" has \(n.count) numbers, not 4")
      }
      boxes.append(GroundingBox(x0: n[0], y0: n[1], x1: n[2], y1: n[3]))
    }
    return boxes.contains { $0.contains(largest) } ? boxes : [largest] + boxes
  }
}
