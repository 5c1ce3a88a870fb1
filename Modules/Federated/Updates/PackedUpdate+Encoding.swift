// The bytes of an update, little-endian:
//
//     "AFU1"          4 bytes
//     kind            1 byte: 0 all numbers, 1 some of them
//     bits            1 byte: 32, 16, 8, 4 or 2
//     fingerprint     8 bytes: of the layout
//     count           varint, only for kind 1
//     places          a varint for each: the distance to the place before, less one
//     scales          4 bytes for each row, only for codes
//     numbers         bits · count, codes plus Q from the lowest bit up, padded to bytes
//     check           8 bytes: FNV-1a of everything before

extension PackedUpdate {
  private static let magic: [UInt8] = Array("AFU1".utf8)

  /// The bytes of the update.
  public func encoded(_ layout: UpdateLayout) -> [UInt8] {
    var bytes = Self.magic
    bytes.append(indices == nil ? 0 : 1)
    bytes.append(UInt8(values.bits))
    bytes.append(littleEndian: layout.fingerprint)
    if let indices {
      bytes.append(varint: UInt64(indices.count))
      var previous: Int32 = -1
      for index in indices {
        bytes.append(varint: UInt64(index - previous - 1))
        previous = index
      }
    }
    switch values {
    case .single(let values):
      for value in values { bytes.append(littleEndian: value.bitPattern) }
    case .half(let values):
      for value in values { bytes.append(littleEndian: value.bitPattern) }
    case .codes(let rows):
      for scale in rows.scales { bytes.append(littleEndian: scale.bitPattern) }
      bytes.append(codes: rows.codes, bits: rows.bits)
    }
    var hash = WireHash()
    hash.add(bytes)
    bytes.append(littleEndian: hash.value)
    return bytes
  }

  /// The update that bytes hold.
  ///
  /// Whatever the bytes are, no more memory is taken than numbers of the layout need.
  ///
  /// - Parameters:
  ///   - bytes: what came.
  ///   - layout: what the plan of their sender says.
  /// - Throws: `UpdateEncodingError`.
  public init(
    decoding bytes: [UInt8],
    layout: UpdateLayout
  ) throws(UpdateEncodingError) {
    var reader = try UpdateReader(bytes)
    guard Array(try reader.bytes(4)) == Self.magic else {
      throw .malformed("they do not begin with AFU1")
    }
    let (kind, bits) = (try reader.number(UInt8.self), Int(try reader.number(UInt8.self)))
    guard kind <= 1 else { throw .malformed("unknown kind \(kind)") }
    guard [32, 16, 8, 4, 2].contains(bits) else { throw .malformed("numbers of \(bits) bits") }
    let found = try reader.number(UInt64.self)
    guard found == layout.fingerprint else {
      throw .otherLayout(expected: layout.fingerprint, found: found)
    }
    indices = kind == 1 ? try reader.indices(below: layout.count) : nil
    let count = indices?.count ?? layout.count
    switch bits {
    case 32: values = .single(try reader.singles(count))
    case 16: values = .half(try reader.halves(count))
    default: values = .codes(try reader.rows(layout.rowEnds(of: indices), bits: bits))
    }
    try reader.finish()
  }
}

extension PackedUpdate.Values {
  /// The bits of a number.
  fileprivate var bits: Int {
    switch self {
    case .single: 32
    case .half: 16
    case .codes(let rows): rows.bits
    }
  }
}

extension [UInt8] {
  fileprivate mutating func append(littleEndian number: some FixedWidthInteger) {
    for shift in stride(from: 0, to: number.bitWidth, by: 8) {
      append(UInt8(truncatingIfNeeded: number >> shift))
    }
  }

  fileprivate mutating func append(varint number: UInt64) {
    var rest = number
    while rest >= 0x80 {
      append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    append(UInt8(rest))
  }

  fileprivate mutating func append(codes: [Int8], bits: Int) {
    let limit = (1 << (bits - 1)) - 1
    var (word, filled) = (0, 0)
    for code in codes {
      word |= (Int(code) + limit) << filled
      filled += bits
      if filled == 8 {
        append(UInt8(word))
        (word, filled) = (0, 0)
      }
    }
    if filled > 0 { append(UInt8(word)) }
  }
}

/// Reads bytes from anywhere, without trust.
private struct UpdateReader {
  private let source: [UInt8]
  private var position = 0
  private let end: Int

  /// Checks the sum at the end.
  init(_ bytes: [UInt8]) throws(UpdateEncodingError) {
    guard bytes.count >= 22 else { throw .malformed("\(bytes.count) bytes are too few") }
    source = bytes
    end = bytes.count - 8
    var hash = WireHash()
    hash.add(bytes[..<end])
    let sum = bytes[end...].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard sum == hash.value else { throw .damaged }
  }

  mutating func bytes(_ count: Int) throws(UpdateEncodingError) -> ArraySlice<UInt8> {
    guard count <= end - position else {
      throw .malformed("\(count) more bytes are needed at \(position), \(end - position) are left")
    }
    defer { position += count }
    return source[position..<position + count]
  }

  mutating func number<Number: FixedWidthInteger & UnsignedInteger>(
    _ type: Number.Type
  ) throws(UpdateEncodingError) -> Number {
    try bytes(Number.bitWidth / 8).reversed().reduce(0) { $0 << 8 | Number($1) }
  }

  private mutating func varint() throws(UpdateEncodingError) -> UInt64 {
    var result: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 35, by: 7) {
      let byte = try number(UInt8.self)
      result |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return result }
    }
    throw .malformed("a number of more than 35 bits at \(position)")
  }

  mutating func indices(below count: Int) throws(UpdateEncodingError) -> [Int32] {
    let wanted = try varint()
    // Each place takes a byte or more.
    guard wanted <= UInt64(min(count, end - position)) else {
      throw .malformed("\(wanted) places in \(count) numbers and \(end - position) bytes")
    }
    var result: [Int32] = []
    result.reserveCapacity(Int(wanted))
    var next = 0
    for _ in 0..<wanted {
      let index = next + Int(try varint())
      guard index < count, index <= Int(Int32.max) else {
        throw .malformed("place \(index) of \(count)")
      }
      result.append(Int32(index))
      next = index + 1
    }
    return result
  }

  mutating func singles(_ count: Int) throws(UpdateEncodingError) -> [Float] {
    try require(4 * count)
    var result: [Float] = []
    result.reserveCapacity(count)
    for _ in 0..<count {
      let value = Float(bitPattern: try number(UInt32.self))
      guard value.isFinite else { throw .notFinite }
      result.append(value)
    }
    return result
  }

  mutating func halves(_ count: Int) throws(UpdateEncodingError) -> [Float16] {
    try require(2 * count)
    var result: [Float16] = []
    result.reserveCapacity(count)
    for _ in 0..<count {
      let value = Float16(bitPattern: try number(UInt16.self))
      guard value.isFinite else { throw .notFinite }
      result.append(value)
    }
    return result
  }

  mutating func rows(_ ends: [Int], bits: Int) throws(UpdateEncodingError) -> QuantizedRows {
    let count = ends.last ?? 0
    let byteCount = (count * bits + 7) / 8
    try require(4 * ends.count + byteCount)
    let scales = try singles(ends.count)
    guard scales.allSatisfy({ $0 > 0 }) else { throw .notFinite }
    let limit = (1 << (bits - 1)) - 1
    guard scales.allSatisfy({ ($0 * Float(limit)).isFinite }) else { throw .notFinite }
    let packed = try bytes(byteCount)
    var codes: [Int8] = []
    codes.reserveCapacity(count)
    let perByte = 8 / bits
    for index in 0..<count {
      let byte = packed[packed.startIndex + index / perByte]
      let code = Int(byte >> UInt8(index % perByte * bits)) & (1 << bits) - 1
      guard code <= 2 * limit else { throw .malformed("code \(code) of \(bits) bits") }
      codes.append(Int8(code - limit))
    }
    return QuantizedRows(bits: bits, codes: codes, scales: scales, ends: ends)
  }

  /// Stops before memory is taken that the bytes cannot fill.
  private func require(_ count: Int) throws(UpdateEncodingError) {
    guard count <= end - position else {
      throw .malformed("\(count) bytes of numbers are needed, \(end - position) are left")
    }
  }

  func finish() throws(UpdateEncodingError) {
    guard position == end else { throw .malformed("\(end - position) bytes too many") }
  }
}
