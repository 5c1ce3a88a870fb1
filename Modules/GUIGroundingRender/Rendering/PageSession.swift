import Checkpoints
import Foundation
import GUIGrounding
import ImageFiles
import Tensor

/// Renders one page in a tab of its own: pictures, elements, rows.
struct PageSession: Sendable {
  let settings: RenderSettings
  let set: PageSet
  let page: String
  /// The folder of the run.
  let folder: String

  /// The page's part of the data.
  var split: String {
    switch set.split {
    case .train: return "train"
    case .test: return "test"
    case .byPage:
      // A draw of the page alone: the same whichever other pages there are.
      var generator = random(0)
      return Double(generator.uniform()) < settings.testShare ? "test" : "train"
    }
  }

  /// Renders the page; off the caller's executor, since pictures are packed.
  ///
  /// - Throws: `BrowserError` for what the browser or the page does, `RenderError` for files.
  @concurrent
  func run(_ browser: ChromiumBrowser) async throws -> PageRecord {
    let tab = try await browser.openPage()
    do {
      let record = try await run(tab)
      await tab.close()
      return record
    } catch {
      await tab.close()
      throw error
    }
  }

  private func run(_ tab: BrowserPage) async throws -> PageRecord {
    let path = URL(fileURLWithPath: set.folder + "/" + page).standardizedFileURL.path
    var record = PageRecord(setName: set.name, page: page, shots: [], sparseShots: 0)
    for (place, size) in (set.viewports ?? settings.viewports).enumerated() {
      try await tab.resize(to: size)
      try await tab.open(file: path, seconds: settings.loadSeconds)
      let height = try await tab.evaluate(ExtractionScript.pageHeight).doubleValue ?? 0
      let room = Int(max(0, min(height, 1e6))) - size.height
      var generator = random(1 + place)
      for shot in 0..<settings.shotsPerViewport where shot == 0 || room > 0 {
        let offset = scrollOffset(room: room, isFirst: shot == 0, using: &generator)
        let name = stem(size) + (shot == 0 ? "" : "-\(shot + 1)")
        let outcome = try await take(tab, path, size, offset, name, &generator)
        if let outcome { record.shots.append(outcome) } else { record.sparseShots += 1 }
      }
    }
    return record
  }

  private func scrollOffset(room: Int, isFirst: Bool, using generator: inout Philox) -> Int {
    // Both are drawn whatever the page is like, so that a page's draws stay its own.
    let isTop = Double(generator.uniform()) < settings.topShare && isFirst
    let share = Double(generator.uniform())
    return room <= 0 || isTop ? 0 : Int(share * Double(room + 1))
  }

  /// One picture; nil when it has too few elements.
  private func take(
    _ tab: BrowserPage,
    _ path: String,
    _ size: PixelSize,
    _ offset: Int,
    _ name: String,
    _ generator: inout Philox
  ) async throws -> ShotRecord? {
    try await tab.settle(atScrollOffset: offset)
    let before = try PageExtract(try await tab.evaluate(ExtractionScript.source))
    let png = try await tab.screenshot()
    let after = try PageExtract(try await tab.evaluate(ExtractionScript.source))
    guard isSame(after.path, path) else {
      throw BrowserError.navigation(page: page, reason: "it leads to \(after.path)")
    }
    let image = RGBImage(try DecodedImage(bytes: png, name: page))
    guard image.size == size, after.size == size, before.scrollOffset == after.scrollOffset else {
      throw BrowserError.malformed("a picture of \(image.size) for a viewport of \(size)")
    }
    // What is not in the same place before and after is not where the picture has it.
    let steady = Set(before.elements.map(Place.init))
    var extract = after
    extract.elements.removeAll { !steady.contains(Place($0)) }
    guard var shot = shot(extract, name, &generator) else { return nil }
    shot.movedCount = after.elements.count - extract.elements.count
    shot.foundCount = after.elements.count
    try write(image, name)
    return shot
  }

  /// What is kept of a picture; nil when that is too little.
  private func shot(
    _ extract: PageExtract,
    _ name: String,
    _ generator: inout Philox
  ) -> ShotRecord? {
    let (kept, ambiguous) = ElementSelection.select(
      from: extract,
      limit: settings.maximumElements,
      using: &generator
    )
    guard kept.count >= settings.minimumElements, !kept.isEmpty else { return nil }
    let rows = kept.enumerated().map { place, named in
      row(named, place, extract, name, &generator)
    }
    return ShotRecord(
      image: "images/\(name).png",
      rows: rows,
      foundCount: extract.elements.count,
      ambiguousCount: ambiguous,
      movedCount: 0,
      rejected: extract.rejected,
      nameSources: Dictionary(kept.map { ($0.element.nameSource, 1) }) { $0 + $1 }
    )
  }

  private struct Place: Hashable {
    let label: ElementLabel
    let bounds: GroundingBox
    init(_ element: PageElement) { (label, bounds) = (element.label, element.bounds) }
  }

  private func isSame(_ shown: String, _ path: String) -> Bool {
    let decoded = shown.removingPercentEncoding ?? shown
    return URL(fileURLWithPath: decoded).standardizedFileURL.path == path
  }

  private func write(_ image: RGBImage, _ name: String) throws(RenderError) {
    let bytes = try picturing { () throws(ImageFileError) in try CompactPNG.bytes(image) }
    try filing { () throws(CheckpointError) in
      try AtomicFile.write(bytes, to: "\(folder)/images/\(name).png")
    }
  }

  // MARK: - Rows

  private func row(
    _ named: NamedElement,
    _ place: Int,
    _ extract: PageExtract,
    _ name: String,
    _ generator: inout Philox
  ) -> JSONValue {
    let element = named.element
    let instruction = InstructionPhrases.instruction(for: named, using: &generator)
    return [
      "id": .string("\(name)#\(place)"), "image": .string("images/\(name).png"),
      "image_size": [.integer(Int64(extract.size.width)), .integer(Int64(extract.size.height))],
      "instruction": .string(instruction), "bbox": Self.json(element.bounds),
      "boxes": .array(element.boxes.map(Self.json)), "kind": .string(element.kind),
      "name": .string(element.name), "data_type": .string(element.dataType),
      "ordinal": named.ordinal.map { .integer(Int64($0)) } ?? .null,
      "region": .string(element.region), "source": .string(set.name), "page": .string(page),
      "title": .string(extract.title), "scroll_y": .integer(Int64(extract.scrollOffset)),
      "device_scale": 1, "split": .string(split),
    ]
  }

  private static func json(_ box: GroundingBox) -> JSONValue {
    .array([box.x0, box.y0, box.x1, box.y1].map { .number($0) })
  }

  /// What the files of a size are called: the set, the page's digest, the size.
  private func stem(_ size: PixelSize) -> String {
    let digits = String(digest, radix: 16)
    let padded = String(repeating: "0", count: 16 - digits.count) + digits
    return "\(set.name)-\(padded.prefix(12))-\(size.width)x\(size.height)"
  }

  /// The draws of the page: `part` 0 for its split, then one for each viewport.
  private func random(_ part: Int) -> Philox {
    Philox(seed: settings.seed).fork(Int(bitPattern: UInt(truncatingIfNeeded: digest))).fork(part)
  }

  /// FNV-1a of the set and the page.
  private var digest: UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in (set.name + "\n" + page).utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return hash
  }
}
