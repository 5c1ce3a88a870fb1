import Checkpoints
import GUIGrounding

/// Something on a page that can be clicked.
struct PageElement: Equatable, Sendable {
  /// The role, such as link, button or textbox.
  var kind: String
  /// The accessible name.
  var name: String
  /// Where the name comes from.
  var nameSource: String
  /// Whether the name can be read in the picture.
  var isNameDrawn: Bool
  /// The largest line box.
  var bounds: GroundingBox
  /// All boxes that can be clicked.
  var boxes: [GroundingBox]
  /// The nearest landmark, or nothing.
  var region: String

  /// How the element is drawn: text, icon or widget.
  var dataType: String {
    if isNameDrawn { return "text" }
    return ["textbox", "dropdown", "slider", "color", "file"].contains(kind) ? "widget" : "icon"
  }

  /// Kind and name, by which an instruction tells elements apart.
  var label: ElementLabel { ElementLabel(kind: kind, name: name) }
}

/// What an instruction calls an element.
struct ElementLabel: Hashable, Sendable {
  var kind: String
  var name: String
}

/// What the script found in a viewport.
struct PageExtract: Sendable {
  /// The viewport.
  var size: PixelSize
  /// The scroll offset in pixels.
  var scrollOffset: Int
  /// The title of the page.
  var title: String
  /// The file that is shown, as the browser sees it.
  var path: String
  /// Frames in view, into which the script does not look.
  var frameCount: Int
  /// What was rejected, by the reason.
  var rejected: [String: Int]
  /// What rejected elements that are partly in view are called.
  var otherLabels: Set<ElementLabel>
  /// What can be clicked, in the order of the page.
  var elements: [PageElement]
}

extension PageExtract {
  /// Reads the value of the script.
  ///
  /// - Throws: `BrowserError.malformed`.
  init(_ value: JSONValue) throws(BrowserError) {
    guard let text = value.stringValue, let json = try? JSONValue.parse(text),
      let width = json["width"]?.intValue, let height = json["height"]?.intValue,
      let list = json["elements"]?.arrayValue
    else { throw .malformed("what the extraction script returns") }
    size = PixelSize(width: width, height: height)
    scrollOffset = json["scrollY"]?.intValue ?? 0
    title = json["title"]?.stringValue ?? ""
    path = json["path"]?.stringValue ?? ""
    frameCount = json["frames"]?.intValue ?? 0
    let counts = json["skipped"]?.objectValue.map(Array.init) ?? []
    rejected = Dictionary(counts.map { ($0.key, $0.value.countValue ?? 0) }) { $0 + $1 }
    otherLabels = Set(
      (json["others"]?.arrayValue ?? []).compactMap { pair in
        guard let kind = pair[0]?.stringValue, let name = pair[1]?.stringValue else { return nil }
        return ElementLabel(kind: kind, name: name)
      }
    )
    elements = try list.map { entry throws(BrowserError) in try PageElement(entry) }
  }
}

extension PageElement {
  fileprivate init(_ entry: JSONValue) throws(BrowserError) {
    guard let kind = entry["kind"]?.stringValue, let name = entry["name"]?.stringValue,
      let bounds = entry["bbox"].flatMap(Self.box), let list = entry["boxes"]?.arrayValue
    else { throw .malformed("an element of the extraction script") }
    self.kind = kind
    self.name = name
    self.bounds = bounds
    nameSource = entry["source"]?.stringValue ?? ""
    isNameDrawn = entry["drawn"]?.boolValue ?? false
    boxes = list.compactMap(Self.box)
    region = entry["region"]?.stringValue ?? ""
  }

  private static func box(_ value: JSONValue) -> GroundingBox? {
    let sides = (value.arrayValue ?? []).compactMap(\.doubleValue)
    guard sides.count == 4 else { return nil }
    let box = GroundingBox(x0: sides[0], y0: sides[1], x1: sides[2], y1: sides[3])
    return box.isValid ? box : nil
  }
}
