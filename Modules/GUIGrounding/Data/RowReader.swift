import Checkpoints
import Foundation

/// What a row holds: targets, and tasks that are not about a place.
struct RowTargets {
  var found: [RowTarget] = []
  var otherTaskCount = 0
}

/// Reads the values of one row.
struct RowReader {
  let layout: GroundingLayout
  let row: JSONValue
  let path: String
  let number: Int

  /// The targets of the row, by its layout.
  func targets(_ options: GroundingDataOptions) throws(RowFault) -> RowTargets {
    guard row.objectValue != nil else { throw RowFault("\(row.kind), an object is needed") }
    return switch layout {
    case .screenSpot, .screenSpotV2, .uGroundScreenSpot: try screenSpot()
    case .screenSpotPro: try screenSpotPro()
    case .uGroundPoint, .uGroundBox: try uGround(options)
    case .osAtlas: try osAtlas()
    case .seeClick: try elements("elements", image: "img_filename", size: nil)
    case .showUI: try elements("element", image: "img_url", size: "img_size")
    case .gta1: try gta1()
    case .guiR1: try guiR1(options)
    case .conversations: try conversations(options)
    case .autoGUI: try autoGUI()
    case .native: try native()
    }
  }

  /// An item with the row's own name, or the file's and the row's number.
  func item(
    image: String,
    size: PixelSize?,
    instruction: String,
    element: Int? = nil
  ) throws(RowFault) -> GroundingItem {
    let instruction = instruction.trimmingCharacters(in: .whitespacesAndNewlines)
    guard !instruction.isEmpty else { throw RowFault("the instruction is blank") }
    let file = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
    let base = text("id") ?? "\(file)#\(number)"
    let id = element.map { "\(base).\($0 + 1)" } ?? base
    return GroundingItem(
      id: id,
      imagePath: image,
      imageSize: size,
      instruction: instruction,
      target: GroundingTarget(boxes: [])
    )
  }
}

// MARK: - Values

extension RowReader {
  /// A string that may be missing.
  func text(_ key: String) -> String? { row[key]?.stringValue }

  func string(_ key: String) throws(RowFault) -> String { try Self.string(row, key) }

  static func string(_ value: JSONValue, _ key: String) throws(RowFault) -> String {
    guard let found = value[key] else { throw RowFault("no \"\(key)\"") }
    guard let text = found.stringValue else {
      throw RowFault("\"\(key)\" is \(found.kind), a string is needed")
    }
    return text
  }

  static func list(_ value: JSONValue, _ key: String) throws(RowFault) -> [JSONValue] {
    guard let found = value[key] else { throw RowFault("no \"\(key)\"") }
    guard let list = found.arrayValue else {
      throw RowFault("\"\(key)\" is \(found.kind), a list is needed")
    }
    return list
  }

  static func numbers(_ value: JSONValue, _ key: String) throws(RowFault) -> [Double] {
    try numbers(try list(value, key), key)
  }

  static func numbers(_ list: [JSONValue], _ key: String) throws(RowFault) -> [Double] {
    let numbers = list.compactMap(\.doubleValue)
    guard numbers.count == list.count else { throw RowFault("\"\(key)\" holds more than numbers") }
    return numbers
  }

  /// Four numbers x0, y0, x1, y1.
  static func corners(_ value: JSONValue, _ key: String) throws(RowFault) -> GroundingBox {
    let n = try numbers(value, key)
    guard n.count == 4 else { throw RowFault("\"\(key)\" has \(n.count) numbers, not 4") }
    return GroundingBox(x0: n[0], y0: n[1], x1: n[2], y1: n[3])
  }

  /// Two whole numbers, if they are there.
  func size(_ key: String) throws(RowFault) -> PixelSize? {
    guard let value = row[key], !value.isNull else { return nil }
    guard value.arrayValue?.count == 2, let width = value[0]?.doubleValue,
      let height = value[1]?.doubleValue
    else { throw RowFault("\"\(key)\" is not a width and a height") }
    return try Self.size(width, height, key)
  }

  static func size(
    _ width: Double,
    _ height: Double,
    _ key: String
  ) throws(RowFault) -> PixelSize {
    let limit = Double(Int32.max)
    guard width >= 1, height >= 1, width <= limit, height <= limit, width == width.rounded(),
      height == height.rounded()
    else { throw RowFault("\"\(key)\" says \(width) × \(height) pixels") }
    return PixelSize(width: Int(width), height: Int(height))
  }
}
