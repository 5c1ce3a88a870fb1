import Checkpoints

/// The pages that a run has finished: a file of JSON lines that only grows.
///
/// A line is written when all pictures of its page are on the disk. A process that dies while it
/// writes leaves a torn last line, which is removed when the run goes on. Of several lines of a page
/// the last one counts. One run at a time, in all processes, has a folder.
final class RenderJournal {
  /// Where the line of a page is.
  struct Entry {
    let key: String
    let range: Range<Int>
  }

  /// The file.
  let path: String
  /// The pages in the order of their first lines.
  private(set) var entries: [Entry] = []
  private var places: [String: Int] = [:]
  private let file: GrowingFile

  /// Opens the journal of a folder.
  ///
  /// - Parameters:
  ///   - path: the file; a missing one is made.
  ///   - isUsable: whether a page counts as finished.
  /// - Throws: `RenderError.file`, also while another run holds it; `.journal`.
  init(path: String, where isUsable: (PageRecord) -> Bool = { _ in true }) throws(RenderError) {
    self.path = path
    file = try filing { () throws(CheckpointError) in try GrowingFile(path: path) }
    let bytes = try filing(file.bytes)
    var start = 0
    var line = 0
    while let end = bytes[start...].firstIndex(of: 0x0A) {
      line += 1
      let record = try Self.record(bytes[start..<end], path, line: line)
      if isUsable(record) { note(record.key, start..<end) }
      start = end + 1
    }
    if start < bytes.count {
      try filing { () throws(CheckpointError) in try file.truncate(to: start) }
    }
  }

  private func note(_ key: String, _ range: Range<Int>) {
    if let place = places[key] {
      entries[place] = Entry(key: key, range: range)
    } else {
      places[key] = entries.count
      entries.append(Entry(key: key, range: range))
    }
  }

  private static func record(
    _ bytes: ArraySlice<UInt8>,
    _ path: String,
    line: Int
  ) throws(RenderError) -> PageRecord {
    guard let json = try? JSONValue.parse(Array(bytes)), let record = PageRecord(json) else {
      throw .journal(path: path, line: line)
    }
    return record
  }

  /// Whether a page has a line.
  func holds(_ key: String) -> Bool { places[key] != nil }

  /// Notes a page that is finished.
  ///
  /// - Throws: `RenderError.file`; the journal is as before then.
  func append(_ record: PageRecord) throws(RenderError) {
    let start = file.byteCount
    var bytes = record.json.serializedBytes()
    bytes.append(0x0A)
    try filing { () throws(CheckpointError) in try file.append(bytes) }
    note(record.key, start..<start + bytes.count - 1)
  }

  /// Calls `body` with the pages, one at a time: their rows are many.
  ///
  /// - Parameters:
  ///   - order: the place of a page by its key; pages without one come last.
  ///   - body: what to do with each.
  /// - Throws: `RenderError.file`, and what `body` throws.
  func forEach(
    orderedBy order: [String: Int] = [:],
    _ body: (PageRecord) throws(RenderError) -> Void
  ) throws(RenderError) {
    let bytes = try filing(file.bytes)
    let sorted = entries.enumerated().sorted { left, right in
      (order[left.element.key] ?? .max, left.offset)
        < (order[right.element.key] ?? .max, right.offset)
    }
    for (_, entry) in sorted {
      try body(try Self.record(bytes[entry.range], path, line: 0))
    }
  }

  /// Brings everything to the disk.
  ///
  /// - Throws: `RenderError.file`.
  func synchronize() throws(RenderError) { try filing(file.synchronize) }
}
