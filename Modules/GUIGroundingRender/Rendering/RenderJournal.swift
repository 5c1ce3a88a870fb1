import Checkpoints

/// The pages that a run has finished: a file of JSON lines that only grows.
///
/// A line is written when all pictures of its page are on the disk. A process that dies while it
/// writes leaves a torn last line, which is removed when the run goes on. One run at a time, in all
/// processes, has a folder.
final class RenderJournal {
  /// The file.
  let path: String
  /// The records in the order in which they were written.
  private(set) var records: [PageRecord] = []
  private let file: GrowingFile

  /// Opens the journal of a folder.
  ///
  /// - Throws: `RenderError.file`, also while another run holds it; `.journal`.
  init(path: String) throws(RenderError) {
    self.path = path
    file = try filing { () throws(CheckpointError) in try GrowingFile(path: path) }
    let bytes = try filing(file.bytes)
    var start = 0
    var line = 0
    while let end = bytes[start...].firstIndex(of: 0x0A) {
      line += 1
      guard let json = try? JSONValue.parse(Array(bytes[start..<end])),
        let record = PageRecord(json)
      else { throw .journal(path: path, line: line) }
      records.append(record)
      start = end + 1
    }
    if start < bytes.count {
      try filing { () throws(CheckpointError) in try file.truncate(to: start) }
    }
  }

  /// Notes a page that is finished.
  ///
  /// - Throws: `RenderError.file`; the journal is as before then.
  func append(_ record: PageRecord) throws(RenderError) {
    var bytes = record.json.serializedBytes()
    bytes.append(0x0A)
    try filing { () throws(CheckpointError) in try file.append(bytes) }
    records.append(record)
  }

  /// Brings everything to the disk.
  ///
  /// - Throws: `RenderError.file`.
  func synchronize() throws(RenderError) { try filing(file.synchronize) }
}
