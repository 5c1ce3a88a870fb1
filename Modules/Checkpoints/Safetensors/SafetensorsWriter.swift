public import Tensor

/// The name, type and extents of a tensor that will be written.
public struct SafetensorsDeclaration: Equatable, Sendable {
  /// The name, unique in the file.
  public let name: String
  /// How the numbers will be stored.
  public let type: SafetensorsType
  /// The extents, outermost first; empty for a scalar.
  public let extents: [Int]

  /// Declares a tensor.
  public init(name: String, type: SafetensorsType, shape: Shape) {
    self.name = name
    self.type = type
    extents = shape.extents
  }
}

/// Writes a safetensors file tensor by tensor, so that a model never needs to be in memory at once.
///
/// All tensors are declared first, then written in any order. The file appears when `finish` is
/// called, complete or not at all (`AtomicFile`). The disk space is allocated at the start. The
/// bytes depend on the declarations, the metadata and the numbers alone: tensors lie sorted by
/// descending element size, then by the bytes of their names, and spaces pad the header to a
/// multiple of 8.
///
///     let writer = try SafetensorsWriter(path: "model.safetensors", tensors: declarations)
///     for name in names { try writer.write(quantized(name), named: name) }
///     try writer.finish()
///
/// - Source: the safetensors format description; the order is the reference writer's.
public final class SafetensorsWriter {
  /// The path that the file will have.
  public var path: String { file.path }
  private let file: DeclaredFile<SafetensorsEntry>

  /// Creates the file under a temporary name, with its header.
  ///
  /// - Throws: `CheckpointError.malformed` when two declarations share a name or the size
  ///   overflows, `.unwritable` when the folder or the disk does not take the file.
  public init(
    path: String,
    tensors: [SafetensorsDeclaration],
    metadata: [String: String] = [:]
  ) throws(CheckpointError) {
    let entries = try sortedLayout(tensors, path)
    let header = headerBytes(entries, metadata)  // a name declared twice is refused below
    guard header.count - 8 <= SafetensorsFile.maximumHeaderByteCount else {
      throw .malformed(path, "the header of \(header.count) bytes is too long")
    }
    file = try DeclaredFile(
      path: path,
      header: header,
      entries: entries,
      byteCount: entries.last?.byteRange.upperBound ?? 0
    )
  }

  /// Writes the numbers of a declared tensor, whose type and shape must be the declared ones.
  ///
  /// - Throws: `CheckpointError.missingTensor` for a name that was not declared, `.unwritable` when
  ///   the disk fails; then nothing of the file remains.
  public func write<Element: TensorElement>(
    _ tensor: Tensor<Element>,
    named name: String
  ) throws(CheckpointError) {
    let entry = try file.entry(name)
    expect(
      entry.type.elementType == Element.elementType && entry.extents == tensor.shape.extents,
      "write safetensors: \(name) is \(Element.elementType) \(tensor.shape), declared as "
        + "\(entry.type.rawValue) \(entry.extents)"
    )
    try file.write(tensor, to: entry)
  }

  /// Writes some rows of a declared tensor: the numbers of its leading axis from `first` on.
  ///
  /// Each row is to be written once; the tensor is complete when all were.
  ///
  /// - Throws: as `write(_:named:)`.
  public func write<Element: TensorElement>(
    rows: Tensor<Element>,
    from first: Int,
    named name: String
  ) throws(CheckpointError) {
    let entry = try file.entry(name)
    let count = entry.extents.first ?? 0
    expect(
      entry.type.elementType == Element.elementType && rows.rank == entry.extents.count
        && entry.extents.dropFirst().elementsEqual(rows.shape.extents.dropFirst())
        && first >= 0 && first + rows.shape[0] <= count,
      "write safetensors: \(name) is \(Element.elementType) \(rows.shape) at row \(first), "
        + "declared as \(entry.type.rawValue) \(entry.extents)"
    )
    let rowByteCount = count == 0 ? 0 : entry.byteRange.count / count
    try file.write(rows, to: entry, at: rowByteCount * first)
  }

  /// Puts the file in its place.
  ///
  /// - Throws: `CheckpointError.malformed` when a declared tensor was not written, `.unwritable`.
  public func finish() throws(CheckpointError) { try file.finish() }
}

/// The declarations in the order of their data, with ranges that count from its start.
private func sortedLayout(
  _ tensors: [SafetensorsDeclaration],
  _ path: String
) throws(CheckpointError) -> [SafetensorsEntry] {
  let sorted = tensors.sorted { a, b in
    a.type.bitCount != b.type.bitCount
      ? a.type.bitCount > b.type.bitCount : a.name.utf8.lexicographicallyPrecedes(b.name.utf8)
  }
  var entries: [SafetensorsEntry] = []
  var end = 0
  for tensor in sorted {
    let fault = { (reason: String) in
      CheckpointError.malformed(path: path, tensor: tensor.name, offset: nil, reason: reason)
    }
    guard !hasSameBytes(tensor.name, "__metadata__") else {
      throw fault("is reserved for the metadata")
    }
    guard let bits = checkedProduct(tensor.extents + [tensor.type.bitCount]),
      case let (next, overflow) = end.addingReportingOverflow(bits / 8), !overflow
    else { throw fault("the size of \(tensor.extents) \(tensor.type.rawValue) overflows") }
    guard bits % 8 == 0 else { throw fault("\(bits) bits are not whole bytes") }
    entries.append(
      SafetensorsEntry(
        name: tensor.name,
        type: tensor.type,
        extents: tensor.extents,
        byteRange: end..<next
      )
    )
    end = next
  }
  return entries
}

/// The length field, the JSON, and spaces up to a multiple of 8.
private func headerBytes(_ entries: [SafetensorsEntry], _ metadata: [String: String]) -> [UInt8] {
  var object = JSONObject()
  if !metadata.isEmpty {
    let sorted = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    object["__metadata__"] = .object(JSONObject(sorted.map { ($0.key, .string($0.value)) }))
  }
  for entry in entries {
    let range = [entry.byteRange.lowerBound, entry.byteRange.upperBound]
    object[entry.name] = [
      "dtype": .string(entry.type.rawValue),
      "shape": .array(entry.extents.map { .integer(Int64($0)) }),
      "data_offsets": .array(range.map { .integer(Int64($0)) }),
    ]
  }
  var text = JSONValue.object(object).serializedBytes()
  text.append(contentsOf: repeatElement(0x20, count: (8 - text.count % 8) % 8))
  return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
}
