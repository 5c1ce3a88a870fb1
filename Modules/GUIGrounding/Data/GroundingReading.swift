import Checkpoints
import Foundation
import ImageFiles

/// What is wrong with a row.
struct RowFault: Error {
  let reason: String

  init(_ reason: String) { self.reason = reason }
}

/// Reads files of annotations into items.
struct GroundingReading {
  let layout: GroundingLayout
  let options: GroundingDataOptions
  let imageFolder: String
  private(set) var items: [GroundingItem] = []
  private(set) var skipped: [GroundingRowIssue] = []
  private(set) var otherTaskCount = 0
  /// The names so far, and how often each was wanted.
  private var ids: [String: Int] = [:]
  private var sizes: [String: PixelSize] = [:]

  init(layout: GroundingLayout, options: GroundingDataOptions, imageFolder: String) {
    (self.layout, self.options, self.imageFolder) = (layout, options, imageFolder)
  }

  private var isFull: Bool { options.itemLimit.map { items.count >= $0 } ?? false }

  /// Reads a list of JSON or JSON lines, whichever the file begins as.
  mutating func read(_ path: String) throws(GroundingDataError) {
    guard !isFull else { return }
    let file: MappedFile
    do throws(CheckpointError) { file = try MappedFile(path: path, mode: .inMemory) } catch {
      throw .unreadable(path: path, reason: "\(error)")
    }
    defer { withExtendedLifetime(file) {} }
    if file.bytes.first(where: { !isBlank($0) }) == UInt8(ascii: "[") {
      try readList(file)
    } else {
      try readLines(file)
    }
  }

  private mutating func readList(_ file: MappedFile) throws(GroundingDataError) {
    let value: JSONValue
    do throws(JSONError) { value = try .parse(file.bytes) } catch {
      throw .unreadable(path: file.path, reason: "\(error)")
    }
    for (index, row) in (value.arrayValue ?? []).enumerated() where !isFull {
      try add(row, file.path, number: index + 1)
    }
  }

  private mutating func readLines(_ file: MappedFile) throws(GroundingDataError) {
    var (start, number) = (0, 0)
    let bytes = file.bytes
    while start < bytes.count, !isFull {
      number += 1
      let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
      let line = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
      start = end + 1
      guard line.contains(where: { !isBlank($0) }) else { continue }
      let row: JSONValue
      do throws(JSONError) { row = try .parse(line) } catch {
        try fault("\(error)", file.path, number)
        continue
      }
      try add(row, file.path, number: number)
    }
  }

  private mutating func add(
    _ row: JSONValue,
    _ path: String,
    number: Int
  ) throws(GroundingDataError) {
    do throws(RowFault) {
      let reader = RowReader(layout: layout, row: row, path: path, number: number)
      let targets = try reader.targets(options)
      otherTaskCount += targets.otherTaskCount
      // A bad row leaves none of its elements behind.
      var new: [GroundingItem] = []
      for target in targets.found { new.append(try finished(target)) }
      for item in new where !isFull { items.append(try named(item)) }
    } catch {
      try fault(error.reason, path, number)
    }
  }

  /// The item under a name that no other has; in our own files a repeated one is a fault.
  private mutating func named(_ item: GroundingItem) throws(RowFault) -> GroundingItem {
    var item = item
    let name = item.id
    while let count = ids[item.id] {
      guard layout != .native else { throw RowFault("the id \(name) occurs before") }
      // The count of the first name goes on, so that many equal names stay cheap.
      ids[name] = max(count, ids[name] ?? 1) + 1
      item.id = "\(name)~\(ids[name] ?? 2)"
    }
    ids[item.id] = 1
    return item
  }

  private mutating func fault(
    _ reason: String,
    _ path: String,
    _ number: Int
  ) throws(GroundingDataError) {
    let issue = GroundingRowIssue(path: path, row: number, reason: reason)
    guard options.badRows == .skip else { throw .row(issue) }
    skipped.append(issue)
  }

  /// The item of a target: its size known where it can be, its boxes in pixels and in the image.
  private mutating func finished(_ target: RowTarget) throws(RowFault) -> GroundingItem {
    var item = target.item
    let actual = try imageSize(item.imagePath)
    let declared = item.imageSize
    if let actual, let declared, actual != declared, layout != .autoGUI {
      throw RowFault("\(item.imagePath) is \(actual), the row says \(declared)")
    }
    item.imageSize = actual ?? declared
    let scale: GroundingPoint
    switch target.frame {
    case .pixels:
      // Boxes in the pixels of a declared size follow an image of another one.
      guard let frame = declared, let actual, frame.width > 0, frame.height > 0 else {
        scale = GroundingPoint(x: 1, y: 1)
        break
      }
      scale = GroundingPoint(
        x: Double(actual.width) / Double(frame.width),
        y: Double(actual.height) / Double(frame.height)
      )
    case .shares(let whole):
      let size = item.imageSize
      item.unit = size == nil ? .shares : .pixels
      scale = GroundingPoint(
        x: Double(size?.width ?? 1) / whole,
        y: Double(size?.height ?? 1) / whole
      )
    }
    item.target = try target.target(scale: scale, unit: item.unit, size: item.imageSize)
    return item
  }

  /// The extents in the header of an image; nil where nobody knows them.
  private mutating func imageSize(_ name: String) throws(RowFault) -> PixelSize? {
    if let size = sizes[name] ?? options.imageSizes[name] { return size }
    guard options.images != .annotationsOnly else { return nil }
    guard !name.isEmpty else {
      throw RowFault("names no image; load the annotations only, or give sizes")
    }
    let path = name.hasPrefix("/") ? name : imageFolder + "/" + name
    do throws(GroundingDataError) {
      let size = try headerSize(path, pixelLimit: options.pixelLimit)
      if options.images == .decode {
        _ = try readImage(path, pixelLimit: options.pixelLimit)
      }
      sizes[name] = size
      return size
    } catch {
      if options.images == .readableSize { return nil }
      throw RowFault("\(error)")
    }
  }
}

/// The extents of an image, without decoding it.
private func headerSize(
  _ path: String,
  pixelLimit: Int
) throws(GroundingDataError) -> PixelSize {
  do throws(ImageFileError) {
    // No image has 0 pixels: the decoder reads the header, refuses, and says the extents.
    let image = try DecodedImage(contentsOf: path, pixelLimit: 0)
    return PixelSize(width: image.width, height: image.height)
  } catch {
    guard case .tooLarge(_, let width, let height, _) = error else {
      throw .image(path: path, reason: "\(error)")
    }
    guard width <= pixelLimit / max(height, 1) else {
      throw .image(
        path: path,
        reason: "\(width)×\(height) pixels, at most \(pixelLimit) are allowed"
      )
    }
    return PixelSize(width: width, height: height)
  }
}
