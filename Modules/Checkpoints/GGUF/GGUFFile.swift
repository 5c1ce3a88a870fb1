/// One tensor of a GGUF file: what its record says, checked.
public struct GGUFEntry: Equatable, Sendable {
  /// The name, unique in the file.
  public let name: String
  /// How the numbers are stored.
  public let type: GGUFTensorType
  /// The extents, outermost first (the file lists them the other way round).
  public let extents: [Int]
  /// Where the numbers lie in the file.
  public let byteRange: Range<Int>

  /// The number of elements.
  public var count: Int { byteRange.count / type.blockByteCount * type.blockCount }
}

/// A GGUF file, version 2 or 3: metadata and a checked table of tensors, read on demand.
///
/// Opening reads the metadata and the records alone. Every length, count, extent and offset is
/// checked with overflow before it is used, so no later access can leave the file. Tensors that
/// need no conversion view the mapped file and keep it alive; quantized ones become `Float`.
///
///     let file = try GGUFFile(path: "model.gguf")
///     let layers = try file.integer("\(file.architecture).block_count")
///     let weight = try file.tensor(named: "blk.0.attn_q.weight")
///
/// - Source: the GGUF description of ggml; like llama.cpp, this demands that tensors follow each
///   other without gaps, and refuses lists of lists.
public struct GGUFFile: Sendable {
  /// The version of the format, 2 or 3.
  public let version: Int
  /// The value of `general.architecture`.
  public let architecture: String
  /// The key-value pairs in the order of the file.
  public let metadata: GGUFMetadata
  /// The tensors in the order of the file.
  public let entries: [GGUFEntry]
  /// The bytes that each tensor's start is a multiple of, from the start of the data.
  public let alignment: Int
  let file: MappedFile
  private let indices: NameTable<Int>

  /// The path that was opened.
  public var path: String { file.path }
  /// The names of the tensors in the order of the file.
  public var names: [String] { entries.map(\.name) }

  /// Opens a file and checks its metadata and its records.
  ///
  /// - Throws: `CheckpointError.unreadable`, `.malformed`, `.unsupportedType`, `.missingKey` or
  ///   `.keyType`.
  public init(path: String, mode: MappedFile.Mode = .mapped) throws(CheckpointError) {
    try self.init(MappedFile(path: path, mode: mode))
  }

  /// Checks the metadata and the records of an open file.
  ///
  /// - Throws: `CheckpointError.malformed`, `.unsupportedType`, `.missingKey` or `.keyType`.
  public init(_ file: MappedFile) throws(CheckpointError) {
    self.file = file
    var cursor = GGUFCursor(file)
    version = try readVersion(&cursor)
    // A record takes at least name length 8, dimension count 4, type 4 and offset 8; a key-value
    // pair key length 8, type 4 and one byte of value.
    let tensorCount = try cursor.count("tensor count", ofAtLeast: 24)
    let keyCount = try cursor.count("key count", ofAtLeast: 13)
    metadata = try readMetadata(&cursor, keyCount)
    architecture = try metadata.string("general.architecture", path: file.path)
    alignment = try readAlignment(metadata, file.path)
    (entries, indices) = try readEntries(&cursor, tensorCount, alignment)
    try checkQuantizationVersion(metadata, entries, file.path)
  }

  /// What the record of a tensor says, or nil when there is none of this name.
  public subscript(name: String) -> GGUFEntry? { indices[name].map { entries[$0] } }

  /// What the record of a tensor says.
  ///
  /// - Throws: `CheckpointError.missingTensor` with the nearest names.
  public func entry(named name: String) throws(CheckpointError) -> GGUFEntry {
    if let entry = self[name] { return entry }
    throw .missingTensor(path: path, name: name, near: nearNames(to: name, in: names))
  }

  /// Calls `body` with the stored bytes of a tensor: blocks for quantized types.
  ///
  /// - Throws: `CheckpointError.missingTensor`.
  public func withUnsafeBytes<Result>(
    of name: String,
    _ body: (UnsafeRawBufferPointer) -> Result
  ) throws(CheckpointError) -> Result {
    let entry = try entry(named: name)
    defer { withExtendedLifetime(file) {} }
    return body(UnsafeRawBufferPointer(rebasing: file.bytes[entry.byteRange]))
  }
}

private func readVersion(_ cursor: inout GGUFCursor) throws(CheckpointError) -> Int {
  let magic: UInt32 = try cursor.integer("magic number")
  guard magic == 0x4655_4747 else { throw cursor.fault("does not begin with GGUF", at: 0) }
  let version: UInt32 = try cursor.integer("version")
  guard version & 0xFFFF != 0 || version == 0 else {
    throw cursor.fault("big-endian files are not supported", at: 4)
  }
  guard version == 2 || version == 3 else {
    throw cursor.fault("version \(version) is not supported, 2 and 3 are", at: 4)
  }
  return Int(version)
}

private func readMetadata(
  _ cursor: inout GGUFCursor,
  _ count: Int
) throws(CheckpointError) -> GGUFMetadata {
  var table = NameTable<GGUFValue>()
  for _ in 0..<count {
    let place = cursor.offset
    let key = try cursor.key()
    let value = try cursor.value(of: key)
    guard table.append(key, value) else {
      throw cursor.fault("key \(key.quotedForMessage) is there twice", at: place)
    }
  }
  return GGUFMetadata(table: table)
}

private func readAlignment(
  _ metadata: GGUFMetadata,
  _ path: String
) throws(CheckpointError) -> Int {
  let key = "general.alignment"
  guard let value = metadata[key] else { return 32 }
  guard case .uint32(let alignment) = value else {
    throw .keyType(
      path: path,
      key: key,
      expected: "\(GGUFValueType.uint32)",
      found: "\(value.type)"
    )
  }
  guard (8...65_536).contains(alignment), alignment.nonzeroBitCount == 1 else {
    throw .malformed(path, "alignment \(alignment), expected a power of two from 8 to 65536")
  }
  return Int(alignment)
}

/// The tensor records, each of which must lie where the one before it ended, rounded up.
private func readEntries(
  _ cursor: inout GGUFCursor,
  _ count: Int,
  _ alignment: Int
) throws(CheckpointError) -> ([GGUFEntry], NameTable<Int>) {
  var records: [GGUFCursor.Record] = []
  var indices = NameTable<Int>()
  for index in 0..<count {
    let record = try cursor.record()
    guard indices.append(record.name, index) else {
      throw record.fault(cursor.file.path, "is there twice")
    }
    records.append(record)
  }
  guard let start = rounded(cursor.offset, to: alignment) else {
    throw cursor.fault("the start of the data overflows")
  }
  var entries: [GGUFEntry] = []
  var next = 0
  for record in records {
    let range = try place(record, start, next, cursor.file)
    guard let padded = rounded(range.upperBound - start, to: alignment) else {
      throw record.fault(cursor.file.path, "the end of the data overflows")
    }
    let (name, type, extents) = (record.name, record.type, record.extents)
    entries.append(GGUFEntry(name: name, type: type, extents: extents, byteRange: range))
    next = padded
  }
  return (entries, indices)
}

/// Where a record's data lie in the file, if they lie `next` bytes after the start of the data.
private func place(
  _ record: GGUFCursor.Record,
  _ start: Int,
  _ next: Int,
  _ file: MappedFile
) throws(CheckpointError) -> Range<Int> {
  guard record.dataOffset == next else {
    throw record.fault(
      file.path,
      "data at \(record.dataOffset), expected \(next): after the tensor before it"
    )
  }
  guard let begin = checkedSum(start, next), let end = checkedSum(begin, record.byteCount) else {
    throw record.fault(file.path, "the end of the data overflows")
  }
  guard end <= file.bytes.count else {
    throw record.fault(file.path, "data ends at byte \(end), the file at \(file.bytes.count)")
  }
  return begin..<end
}

extension GGUFCursor.Record {
  fileprivate func fault(_ path: String, _ reason: String) -> CheckpointError {
    .malformed(path: path, tensor: name, offset: place, reason: reason)
  }
}

/// The blocks of today's types have the layout of quantization version 2.
private func checkQuantizationVersion(
  _ metadata: GGUFMetadata,
  _ entries: [GGUFEntry],
  _ path: String
) throws(CheckpointError) {
  guard let version = metadata["general.quantization_version"]?.integerValue, version != 2,
    let entry = entries.first(where: { $0.type.isQuantized })
  else { return }
  throw .malformed(
    path: path,
    tensor: entry.name,
    offset: nil,
    reason: "quantization version \(version) is not supported, 2 is"
  )
}

private func checkedSum(_ left: Int, _ right: Int) -> Int? {
  let (sum, overflow) = left.addingReportingOverflow(right)
  return overflow ? nil : sum
}

/// The next multiple of a power of two.
private func rounded(_ value: Int, to alignment: Int) -> Int? {
  checkedSum(value, alignment - 1).map { $0 & ~(alignment - 1) }
}
