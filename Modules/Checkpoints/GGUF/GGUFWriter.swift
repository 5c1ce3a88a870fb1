public import Tensor

/// The name, type and extents of a tensor that will be written to a GGUF file.
public struct GGUFDeclaration: Equatable, Sendable {
  /// The name, unique in the file, of at most 63 bytes.
  public let name: String
  /// How the numbers will be stored.
  public let type: GGUFTensorType
  /// The extents, outermost first; 1 to 4 of them, none of them 0.
  public let extents: [Int]

  /// Declares a tensor.
  public init(name: String, type: GGUFTensorType, shape: Shape) {
    self.name = name
    self.type = type
    extents = shape.extents
  }
}

/// Writes a GGUF file of version 3 tensor by tensor: a model never needs to be in memory at once.
///
/// All tensors are declared first and lie in that order; they are written in any order. The file
/// appears when `finish` is called, complete or not at all (`AtomicFile`). What a reader would
/// refuse is refused here: keys that are there twice or are no ASCII, a missing
/// `general.architecture`, long names, rows that do not fill whole blocks.
///
///     let writer = try GGUFWriter(path: "model.gguf", metadata: metadata, tensors: declarations)
///     try writer.write(embedding, named: "token_embd.weight")  // Tensor<Float16>
///     try writer.write(blocks: codes, named: "blk.0.attn_q.weight")  // bytes of Q4_K
///     try writer.finish()
///
/// - Source: the GGUF description of ggml.
public final class GGUFWriter {
  /// The path that the file will have.
  public var path: String { file.path }
  private let file: DeclaredFile<GGUFEntry>

  /// Creates the file under a temporary name, with its metadata and its records.
  ///
  /// - Parameters:
  ///   - path: where the file goes; one that lies there is replaced.
  ///   - metadata: keys and values in their order, `general.architecture` among them.
  ///   - tensors: what will be written, in the order of the file.
  /// - Throws: `CheckpointError.malformed` or `.missingKey` for what no reader would take,
  ///   `.unwritable` when the folder or the disk does not take the file.
  public init(
    path: String,
    metadata: [(key: String, value: GGUFField)],
    tensors: [GGUFDeclaration]
  ) throws(CheckpointError) {
    let alignment = try checkedAlignment(metadata, path)
    var header: [UInt8] = Array("GGUF".utf8) + GGUFField.littleEndian(UInt32(3))
    header += GGUFField.littleEndian(UInt64(tensors.count))
    header += GGUFField.littleEndian(UInt64(metadata.count))
    for (key, value) in metadata {
      header += GGUFField.counted(Array(key.utf8)) + GGUFField.littleEndian(value.type.rawValue)
      header += value.bytes
    }
    let (records, ranges, end) = try recordBytes(tensors, alignment, path)
    header += records
    header += [UInt8](repeating: 0, count: -header.count & (alignment - 1))
    let entries = zip(tensors, ranges).map { tensor, range in
      GGUFEntry(name: tensor.name, type: tensor.type, extents: tensor.extents, byteRange: range)
    }
    file = try DeclaredFile(path: path, header: header, entries: entries, byteCount: end)
  }

  /// Writes the numbers of a tensor that was declared with the same plain type and shape.
  ///
  /// - Throws: `CheckpointError.missingTensor` for a name that was not declared, `.unwritable` when
  ///   the disk fails; then nothing of the file remains.
  public func write<Element: TensorElement>(
    _ tensor: Tensor<Element>,
    named name: String
  ) throws(CheckpointError) {
    let entry = try file.entry(name)
    expect(
      entry.type.plain?.elementType == Element.elementType
        && entry.extents == tensor.shape.extents,
      "write GGUF: \(name) is \(Element.elementType) \(tensor.shape), declared as "
        + "\(entry.type.name) \(entry.extents)"
    )
    try file.write(tensor, to: entry)
  }

  /// Writes the blocks of a tensor that was declared with a quantized type.
  ///
  /// - Parameters:
  ///   - blocks: bytes of any shape, as many as the declared type and extents take, row by row.
  ///   - name: the declared name.
  /// - Throws: as `write(_:named:)`.
  public func write(blocks: Tensor<UInt8>, named name: String) throws(CheckpointError) {
    let entry = try file.entry(name)
    expect(
      entry.type.isQuantized && entry.byteRange.count == blocks.count,
      "write GGUF: \(name) has \(blocks.count) bytes, declared as \(entry.type.name) "
        + "\(entry.extents)"
    )
    try file.write(blocks, to: entry)
  }

  /// Puts the file in its place.
  ///
  /// - Throws: `CheckpointError.malformed` when a declared tensor was not written, `.unwritable`.
  public func finish() throws(CheckpointError) { try file.finish() }
}

/// Checks the keys; the alignment that they ask for.
private func checkedAlignment(
  _ metadata: [(key: String, value: GGUFField)],
  _ path: String
) throws(CheckpointError) -> Int {
  var fields = NameTable<GGUFField>()
  for (key, value) in metadata {
    let length = key.utf8.count
    guard (1...GGUFCursor.maximumKeyByteCount).contains(length),
      key.utf8.allSatisfy({ $0 < 0x80 })
    else {
      throw .malformed(path, "key \(key.quotedForMessage) is empty, too long or not ASCII")
    }
    guard fields.append(key, value) else {
      throw .malformed(path, "key \(key.quotedForMessage) is there twice")
    }
  }
  let architecture = "general.architecture"
  guard let name = fields[architecture] else { throw .missingKey(path: path, key: architecture) }
  guard name.type == .string else {
    throw .keyType(path: path, key: architecture, expected: "a string", found: "\(name.type)")
  }
  let key = "general.alignment"
  guard let field = fields[key] else { return 32 }
  guard field.type == .uint32 else {
    let expected = "\(GGUFValueType.uint32)"
    throw .keyType(path: path, key: key, expected: expected, found: "\(field.type)")
  }
  let alignment = field.bytes.reversed().reduce(0) { $0 << 8 | Int($1) }
  guard (8...65_536).contains(alignment), alignment.nonzeroBitCount == 1 else {
    throw .malformed(path, "alignment \(alignment), expected a power of two from 8 to 65536")
  }
  return alignment
}

/// The records, where each tensor lies after the start of the data, and where the last one ends.
private func recordBytes(
  _ tensors: [GGUFDeclaration],
  _ alignment: Int,
  _ path: String
) throws(CheckpointError) -> (bytes: [UInt8], ranges: [Range<Int>], end: Int) {
  var (bytes, ranges): ([UInt8], [Range<Int>]) = ([], [])
  var next = 0
  for tensor in tensors {
    let size = try checkedSize(tensor, path)
    let (end, overflow) = next.addingReportingOverflow(size)
    guard !overflow, end <= Int.max - alignment else {
      throw .malformed(path: path, tensor: tensor.name, offset: nil, reason: "the size overflows")
    }
    bytes += GGUFField.counted(Array(tensor.name.utf8))
    bytes += GGUFField.littleEndian(UInt32(tensor.extents.count))
    for extent in tensor.extents.reversed() { bytes += GGUFField.littleEndian(UInt64(extent)) }
    bytes += GGUFField.littleEndian(tensor.type.rawValue) + GGUFField.littleEndian(UInt64(next))
    ranges.append(next..<end)
    next = (end + alignment - 1) & ~(alignment - 1)
  }
  // The last tensor is padded too, as the reference writer does.
  return (bytes, ranges, next)
}

/// The bytes of a tensor that a record can describe.
private func checkedSize(
  _ tensor: GGUFDeclaration,
  _ path: String
) throws(CheckpointError) -> Int {
  let fault = { (reason: String) in
    CheckpointError.malformed(path: path, tensor: tensor.name, offset: nil, reason: reason)
  }
  let length = tensor.name.utf8.count
  guard (1...GGUFCursor.maximumNameByteCount).contains(length), !tensor.name.utf8.contains(0)
  else {
    throw fault("a name has 1 to \(GGUFCursor.maximumNameByteCount) bytes, none of them NUL")
  }
  let (extents, width) = (tensor.extents, tensor.type.blockCount)
  guard (1...GGUFCursor.maximumRank).contains(extents.count), extents.allSatisfy({ $0 > 0 }) else {
    throw fault("\(extents): 1 to \(GGUFCursor.maximumRank) extents above 0 are allowed")
  }
  guard let last = extents.last, last % width == 0 else {
    throw fault("rows of \(extents.last ?? 0), \(tensor.type.name) needs a multiple of \(width)")
  }
  guard let count = checkedProduct(extents),
    let size = checkedProduct([count / width, tensor.type.blockByteCount])
  else {
    throw fault("the size of \(extents) \(tensor.type.name) overflows")
  }
  return size
}
