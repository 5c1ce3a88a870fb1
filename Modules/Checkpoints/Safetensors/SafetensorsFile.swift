public import Tensor

/// One tensor of a safetensors file: what the header says about it, checked.
public struct SafetensorsEntry: Equatable, Sendable {
  /// The name, unique in the file by its bytes.
  public let name: String
  /// How the numbers are stored.
  public let type: SafetensorsType
  /// The extents, outermost first; empty for a scalar.
  public let extents: [Int]
  /// Where the numbers lie in the file.
  public let byteRange: Range<Int>

  /// The number of elements.
  public var count: Int { byteRange.count * 8 / type.bitCount }

  /// The extents as a shape; nil when they are too many or too large for one (an empty tensor may
  /// declare any extents beside its zero).
  public var shape: Shape? { Shape(validating: extents) }
}

/// A safetensors file: a checked table of its tensors, whose numbers are read on demand.
///
/// Opening reads the header alone. Everything the header says is checked first: strict JSON, no
/// name twice, sizes that match shapes without overflow, and ranges that cover the data exactly, so
/// no later access can leave the file. Tensors that need no conversion view the mapped file and
/// keep it alive.
///
///     let file = try SafetensorsFile(path: "model.safetensors")
///     let weight = try file.tensor(named: "lm_head.weight", as: Float.self)
///
/// - Source: the safetensors format description; stricter in two points: names must be unique and
///   the header begins with `{`.
public struct SafetensorsFile: Sendable {
  /// The longest header that is accepted, as in the reference reader.
  public static let maximumHeaderByteCount = 100_000_000

  /// The tensors in the order of their data.
  public let entries: [SafetensorsEntry]
  /// The free-form strings of the header.
  public let metadata: [String: String]
  let file: MappedFile
  private let indices: NameTable<Int>

  /// The path that was opened.
  public var path: String { file.path }
  /// The names of the tensors in the order of their data.
  public var names: [String] { entries.map(\.name) }

  /// Opens a file and checks its header.
  ///
  /// - Throws: `CheckpointError.unreadable`, `.json`, `.malformed` or `.unsupportedType`.
  public init(path: String, mode: MappedFile.Mode = .mapped) throws(CheckpointError) {
    try self.init(MappedFile(path: path, mode: mode))
  }

  /// Checks the header of an open file.
  ///
  /// - Throws: `CheckpointError.json`, `.malformed` or `.unsupportedType`.
  public init(_ file: MappedFile) throws(CheckpointError) {
    self.file = file
    let headerCount = try headerByteCount(file)
    let header = try readHeader(file, headerCount)
    metadata = header.metadata
    entries = try checkedEntries(header, file, dataStart: 8 + headerCount)
    var indices = NameTable<Int>()
    for (index, entry) in entries.enumerated() { _ = indices.append(entry.name, index) }
    self.indices = indices
  }

  /// What the header says about a tensor, or nil when there is none of this name.
  public subscript(name: String) -> SafetensorsEntry? { indices[name].map { entries[$0] } }

  /// What the header says about a tensor.
  ///
  /// - Throws: `CheckpointError.missingTensor` with the nearest names.
  public func entry(named name: String) throws(CheckpointError) -> SafetensorsEntry {
    if let entry = self[name] { return entry }
    throw .missingTensor(path: path, name: name, near: nearNames(to: name, in: names))
  }

  /// Calls `body` with the stored bytes of a tensor.
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

/// The length that the first eight bytes declare (spec 7, check 1).
private func headerByteCount(_ file: MappedFile) throws(CheckpointError) -> Int {
  guard file.bytes.count >= 8 else {
    throw .malformed(file.path, at: 0, "\(file.bytes.count) bytes, a header needs 8 and more")
  }
  let declared = UInt64(littleEndian: file.bytes.loadUnaligned(as: UInt64.self))
  let limit = min(file.bytes.count - 8, SafetensorsFile.maximumHeaderByteCount)
  guard declared <= UInt64(limit) else {
    throw .malformed(file.path, at: 0, "header of \(declared) bytes, at most \(limit) can be")
  }
  guard declared > 0 else { throw .malformed(file.path, at: 0, "header of 0 bytes") }
  return Int(declared)
}

/// The header's JSON (check 2).
private func readHeader(
  _ file: MappedFile,
  _ count: Int
) throws(CheckpointError) -> SafetensorsHeader {
  guard let base = file.bytes.baseAddress else { throw .malformed(file.path, "empty file") }
  do {
    return try SafetensorsHeader((base + 8).assumingMemoryBound(to: UInt8.self), count: count)
  } catch {
    throw .json(path: file.path, JSONError(offset: error.offset + 8, reason: error.reason))
  }
}

/// The records with their sizes and ranges checked, in the order of their data (checks 3 and 4).
private func checkedEntries(
  _ header: SafetensorsHeader,
  _ file: MappedFile,
  dataStart: Int
) throws(CheckpointError) -> [SafetensorsEntry] {
  let dataCount = file.bytes.count - dataStart
  let records = header.records.entries.sorted {
    ($0.value.begin, $0.value.end) < ($1.value.begin, $1.value.end)
  }
  var entries: [SafetensorsEntry] = []
  entries.reserveCapacity(records.count)
  var end = 0
  for record in records {
    let fault = { record.value.fault(file.path, record.name, $0) }
    let (type, extents, range) = try checkedRecord(record.name, record.value, file.path, fault)
    guard range.lowerBound == end else {
      throw fault("data begins at \(range.lowerBound), the data before it ends at \(end)")
    }
    guard range.upperBound <= dataCount else {
      throw fault("data ends at \(range.upperBound), the file holds \(dataCount) bytes of data")
    }
    end = range.upperBound
    let place = dataStart + range.lowerBound..<dataStart + range.upperBound
    entries.append(
      SafetensorsEntry(name: record.name, type: type, extents: extents, byteRange: place)
    )
  }
  guard end == dataCount else {
    throw .malformed(
      file.path,
      at: dataStart + end,
      "\(dataCount - end) bytes after the last tensor"
    )
  }
  return entries
}

extension SafetensorsHeader.Record {
  fileprivate func fault(_ path: String, _ name: String, _ reason: String) -> CheckpointError {
    .malformed(path: path, tensor: name, offset: 8 + place, reason: reason)
  }
}

private func checkedRecord(
  _ name: String,
  _ record: SafetensorsHeader.Record,
  _ path: String,
  _ fault: (String) -> CheckpointError
) throws(CheckpointError) -> (SafetensorsType, [Int], Range<Int>) {
  guard let type = SafetensorsType(rawValue: record.type) else {
    throw .unsupportedType(path: path, tensor: name, type: record.type)
  }
  let extents = record.extents.map { Int($0) }
  guard extents.allSatisfy({ $0 >= 0 }) else { throw fault("negative extent in \(extents)") }
  guard let bits = checkedProduct(extents + [type.bitCount]) else {
    throw fault("the size of \(extents) \(type.rawValue) overflows")
  }
  guard bits % 8 == 0 else { throw fault("\(bits) bits are not whole bytes") }
  guard record.begin >= 0, record.end >= record.begin else {
    throw fault("offsets \(record.begin) and \(record.end) are no range")
  }
  let range = Int(record.begin)..<Int(record.end)
  guard range.count == bits / 8 else {
    throw fault("\(range.count) bytes of data, \(extents) \(type.rawValue) needs \(bits / 8)")
  }
  return (type, extents, range)
}

/// The product of non-negative factors from left to right, or nil when a step overflows: a zero
/// does not excuse an overflow before it.
func checkedProduct(_ factors: [Int]) -> Int? {
  var product = 1
  for factor in factors {
    let (next, overflow) = product.multipliedReportingOverflow(by: factor)
    guard !overflow else { return nil }
    product = next
  }
  return product
}
