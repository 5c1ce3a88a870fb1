/// Reads a GGUF file from front to back; no read leaves the file.
struct GGUFCursor {
  let file: MappedFile
  private(set) var offset = 0

  init(_ file: MappedFile) { self.file = file }

  var remaining: Int { file.bytes.count - offset }

  func fault(_ reason: String, at place: Int? = nil) -> CheckpointError {
    .malformed(file.path, at: place ?? offset, reason)
  }

  /// Consumes a little-endian integer.
  mutating func integer<Number: FixedWidthInteger & BitwiseCopyable>(
    _ what: @autoclosure () -> String,
    as type: Number.Type = Number.self
  ) throws(CheckpointError) -> Number {
    let size = MemoryLayout<Number>.size
    guard remaining >= size else { throw fault("\(what()): the file ends") }
    let value = file.bytes.loadUnaligned(fromByteOffset: offset, as: type)
    offset += size
    return Number(littleEndian: value)
  }

  /// Consumes a count of things that take at least `size` bytes each: no more than can follow.
  mutating func count(_ what: String, ofAtLeast size: Int) throws(CheckpointError) -> Int {
    let place = offset
    let declared = try integer(what, as: UInt64.self)
    guard declared <= UInt64(remaining / size) else {
      throw fault("\(what): \(declared), but \(remaining) bytes remain", at: place)
    }
    return Int(declared)
  }

  /// Consumes the length and the bytes of a string; where the bytes lie.
  mutating func string(_ what: String, atMost limit: Int) throws(CheckpointError) -> Range<Int> {
    let place = offset
    let length = try count("length of the \(what)", ofAtLeast: 1)
    guard length <= limit else {
      throw fault("\(what) of \(length) bytes, at most \(limit) are allowed", at: place)
    }
    return try take(length)
  }

  /// Consumes `count` bytes, which must remain.
  mutating func take(_ count: Int) throws(CheckpointError) -> Range<Int> {
    guard count <= remaining else { throw fault("\(count) bytes, but \(remaining) remain") }
    defer { offset += count }
    return offset..<offset + count
  }

  func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: file.bytes[range])
  }
}

// MARK: - Metadata

extension GGUFCursor {
  static let maximumKeyByteCount = 65_535
  static let maximumStringByteCount = 64 << 20

  /// Consumes a key.
  mutating func key() throws(CheckpointError) -> String {
    let place = offset
    let range = try string("key", atMost: Self.maximumKeyByteCount)
    guard !range.isEmpty else { throw fault("empty key", at: place) }
    guard bytes(range).allSatisfy({ $0 < 0x80 }) else { throw fault("key is not ASCII", at: place) }
    return String(decoding: bytes(range), as: UTF8.self)
  }

  /// Consumes the type and the value of `key`.
  mutating func value(of key: String) throws(CheckpointError) -> GGUFValue {
    let type = try valueType("type of \(key.quotedForMessage)")
    switch type {
    case .uint8: return .uint8(try integer(key))
    case .int8: return .int8(try integer(key))
    case .uint16: return .uint16(try integer(key))
    case .int16: return .int16(try integer(key))
    case .uint32: return .uint32(try integer(key))
    case .int32: return .int32(try integer(key))
    case .uint64: return .uint64(try integer(key))
    case .int64: return .int64(try integer(key))
    case .float32: return .float32(Float(bitPattern: try integer(key)))
    case .float64: return .float64(Double(bitPattern: try integer(key)))
    case .bool:
      let value: UInt8 = try integer(key)
      guard value <= 1 else {
        throw fault("\(key.quotedForMessage): truth value \(value)", at: offset - 1)
      }
      return .bool(value == 1)
    case .string:
      let limit = Self.maximumStringByteCount
      let range = try string("value of \(key.quotedForMessage)", atMost: limit)
      return .string(Array(bytes(range)))
    case .array: return .array(try array(of: key))
    }
  }

  private mutating func valueType(_ what: String) throws(CheckpointError) -> GGUFValueType {
    let code: UInt32 = try integer(what)
    guard let type = GGUFValueType(rawValue: code) else {
      throw fault("\(what): \(code) is not a type of values", at: offset - 4)
    }
    return type
  }

  private mutating func array(of key: String) throws(CheckpointError) -> GGUFArray {
    let place = offset
    let type = try valueType("element type of \(key.quotedForMessage)")
    guard type != .array else {
      throw fault("\(key.quotedForMessage): a list of lists is not supported", at: place)
    }
    // A string takes at least the 8 bytes of its length.
    let count = try count("count of \(key.quotedForMessage)", ofAtLeast: type.byteCount ?? 8)
    let start = offset
    var starts: [Int] = []
    if let size = type.byteCount {
      _ = try take(count * size)
    } else {
      starts.reserveCapacity(count)
      let what = "element of \(key.quotedForMessage)"
      for _ in 0..<count {
        let limit = Self.maximumStringByteCount
        starts.append(try string(what, atMost: limit).lowerBound)
      }
    }
    if type == .bool, let index = bytes(start..<offset).firstIndex(where: { $0 > 1 }) {
      throw fault("\(key.quotedForMessage): truth value other than 0 and 1", at: start + index)
    }
    return GGUFArray(
      elementType: type,
      count: count,
      file: file,
      byteRange: start..<offset,
      stringStarts: starts
    )
  }
}

// MARK: - Tensors

extension GGUFCursor {
  /// A tensor record with its size, before its place is checked.
  struct Record {
    let name: String
    let type: GGUFTensorType
    /// The extents, outermost first.
    let extents: [Int]
    let byteCount: Int
    /// From the start of the data section.
    let dataOffset: Int
    /// Where the record stands in the file.
    let place: Int
  }

  static let maximumNameByteCount = 63
  static let maximumRank = 4

  /// Consumes a tensor record.
  mutating func record() throws(CheckpointError) -> Record {
    let place = offset
    let name = try tensorName()
    let fault = { [path = file.path] (reason: String) in
      CheckpointError.malformed(path: path, tensor: name, offset: place, reason: reason)
    }
    let extents = try dimensions(fault)
    let code: UInt32 = try integer("type")
    guard let type = GGUFTensorType(rawValue: code) else {
      throw .unsupportedType(path: file.path, tensor: name, type: GGUFTensorType.name(of: code))
    }
    let byteCount = try size(of: extents, type, fault)
    let dataOffset: UInt64 = try integer("offset")
    guard let dataOffset = Int(exactly: dataOffset) else { throw fault("offset \(dataOffset)") }
    return Record(
      name: name,
      type: type,
      extents: extents.reversed(),
      byteCount: byteCount,
      dataOffset: dataOffset,
      place: place
    )
  }

  private mutating func tensorName() throws(CheckpointError) -> String {
    let place = offset
    let range = try string("tensor name", atMost: Self.maximumNameByteCount)
    guard !range.isEmpty, !bytes(range).contains(0) else {
      throw fault("tensor name is empty or holds a NUL", at: place)
    }
    guard let name = String(validating: bytes(range), as: UTF8.self) else {
      throw fault("tensor name is not UTF-8", at: place)
    }
    return name
  }

  /// Consumes the extents in the order of the file, fastest first.
  private mutating func dimensions(
    _ fault: (String) -> CheckpointError
  ) throws(CheckpointError) -> [Int] {
    let rank: UInt32 = try integer("number of dimensions")
    guard (1...UInt32(Self.maximumRank)).contains(rank) else {
      throw fault("\(rank) dimensions, 1 to \(Self.maximumRank) are allowed")
    }
    var extents: [Int] = []
    for _ in 0..<rank {
      let extent: UInt64 = try integer("dimension")
      guard extent > 0, let extent = Int(exactly: extent) else {
        throw fault("dimension \(extent)")
      }
      extents.append(extent)
    }
    return extents
  }

  private func size(
    of extents: [Int],
    _ type: GGUFTensorType,
    _ fault: (String) -> CheckpointError
  ) throws(CheckpointError) -> Int {
    guard let count = checkedProduct(extents) else {
      throw fault("the product of the dimensions \(extents) overflows")
    }
    guard extents[0] % type.blockCount == 0 else {
      throw fault("rows of \(extents[0]), \(type.name) needs a multiple of \(type.blockCount)")
    }
    guard let size = checkedProduct([count / type.blockCount, type.blockByteCount]) else {
      throw fault("the size of \(extents) \(type.name) overflows")
    }
    return size
  }
}
