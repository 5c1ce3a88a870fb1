import Tensor

/// A tensor's place in a file, in the words of a format.
protocol DeclaredEntry: Sendable {
  /// The name, unique in the file by its bytes.
  var name: String { get }
  /// Where the numbers lie.
  var byteRange: Range<Int> { get }
}

extension GGUFEntry: DeclaredEntry {}
extension SafetensorsEntry: DeclaredEntry {}

/// A header, and tensors that are declared first and written in any order: what the writers of all
/// formats share.
///
/// The disk space is allocated at the start. The file appears when `finish` is called, complete or not at
/// all (`AtomicFile`).
final class DeclaredFile<Entry: DeclaredEntry> {
  let path: String
  private let file: AtomicFile
  private let layout: NameTable<Entry>
  /// The bytes of each tensor that were written.
  private var written = NameTable<Int>()
  private let headerByteCount: Int

  /// Creates the file under a temporary name, with its header.
  ///
  /// - Parameters:
  ///   - path: where the file goes; one that lies there is replaced.
  ///   - header: everything in front of the numbers.
  ///   - entries: the tensors; their ranges count from the end of the header.
  ///   - byteCount: the bytes behind the header.
  /// - Throws: `CheckpointError.malformed` when two entries share a name, `.unwritable` when the folder
  ///   or the disk does not take the file.
  init(
    path: String,
    header: [UInt8],
    entries: [Entry],
    byteCount: Int
  ) throws(CheckpointError) {
    self.path = path
    headerByteCount = header.count
    var layout = NameTable<Entry>()
    for entry in entries where !layout.append(entry.name, entry) {
      throw .malformed(path: path, tensor: entry.name, offset: nil, reason: "is declared twice")
    }
    self.layout = layout
    file = try AtomicFile(path: path, reserving: header.count + byteCount)
    let outcome = header.withUnsafeBytes { bytes in
      Result<Void, CheckpointError> { () throws(CheckpointError) in try file.append(bytes) }
    }
    try outcome.get()
  }

  /// The place of a declared tensor.
  ///
  /// - Throws: `CheckpointError.missingTensor` for a name that was not declared.
  func entry(_ name: String) throws(CheckpointError) -> Entry {
    if let entry = layout[name] { return entry }
    throw .missingTensor(path: path, name: name, near: nearNames(to: name, in: layout.names))
  }

  /// Writes numbers into the place of a tensor, `offset` bytes behind its start; a tensor is complete
  /// when as many bytes were written as it has.
  ///
  /// - Throws: `CheckpointError.unwritable` when the disk fails; then nothing of the file remains.
  func write<Element: TensorElement>(
    _ tensor: Tensor<Element>,
    to entry: Entry,
    at offset: Int = 0
  ) throws(CheckpointError) {
    let start = headerByteCount + entry.byteRange.lowerBound + offset
    let count = try tensor.withUnsafeElements { (elements) throws(CheckpointError) in
      let bytes = UnsafeRawBufferPointer(elements)
      try file.write(bytes, at: start)
      return bytes.count
    }
    written[entry.name] = (written[entry.name] ?? 0) + count
  }

  /// Puts the file in its place.
  ///
  /// - Throws: `CheckpointError.malformed` when a declared tensor was not written, `.unwritable`.
  func finish() throws(CheckpointError) {
    for (name, entry) in layout.entries.map({ ($0.name, $0.value) })
    where written[name].map({ $0 < entry.byteRange.count }) ?? true {
      file.discard()
      throw .malformed(
        path: path,
        tensor: name,
        offset: nil,
        reason: "was declared but not written"
      )
    }
    try file.commit()
  }
}
