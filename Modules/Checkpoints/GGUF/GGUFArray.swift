/// A list in the metadata of a GGUF file, read from the file when it is asked for.
public struct GGUFArray: Sendable {
  /// The type of all elements.
  public let elementType: GGUFValueType
  /// The number of elements.
  public let count: Int
  let file: MappedFile
  /// Where the elements lie.
  let byteRange: Range<Int>
  /// For strings: where each one's bytes begin; the length stands in the 8 bytes before.
  let stringStarts: [Int]

  /// The elements, if they are `Float`s.
  public var floats: [Float]? {
    elementType == .float32 ? values(UInt32.self) { Float(bitPattern: $0) } : nil
  }

  /// The elements, if they are integers of any width that fit.
  public var integers: [Int]? {
    switch elementType {
    case .uint8: values(UInt8.self) { Int($0) }
    case .int8: values(Int8.self) { Int($0) }
    case .uint16: values(UInt16.self) { Int($0) }
    case .int16: values(Int16.self) { Int($0) }
    case .uint32: values(UInt32.self) { Int($0) }
    case .int32: values(Int32.self) { Int($0) }
    case .int64: values(Int64.self) { Int($0) }
    case .uint64: exactIntegers
    case .float32, .float64, .bool, .string, .array: nil
    }
  }

  private var exactIntegers: [Int]? {
    let found = values(UInt64.self) { Int(exactly: $0) }
    let integers = found.compactMap { $0 }
    return integers.count == found.count ? integers : nil
  }

  /// The elements, if they are integers or floats.
  public var doubles: [Double]? {
    switch elementType {
    case .float32: values(UInt32.self) { Double(Float(bitPattern: $0)) }
    case .float64: values(UInt64.self) { Double(bitPattern: $0) }
    case .uint64: values(UInt64.self) { Double($0) }
    case .uint8, .int8, .uint16, .int16, .uint32, .int32, .int64: integers?.map { Double($0) }
    case .bool, .string, .array: nil
    }
  }

  /// The elements, if they are truth values.
  public var bools: [Bool]? { elementType == .bool ? values(UInt8.self) { $0 == 1 } : nil }

  /// The elements, if they are strings.
  public var strings: GGUFStrings? { elementType == .string ? GGUFStrings(array: self) : nil }

  /// The list as JSON; nil when an element cannot be said in JSON.
  var jsonValue: JSONValue? {
    switch elementType {
    case .bool: bools.map { .array($0.map { .bool($0) }) }
    case .float32, .float64: doubles.map { .array($0.map { .number($0) }) }
    case .string:
      strings.flatMap { strings in
        let found = strings.indices.compactMap { strings.string(at: $0) }
        return found.count == count ? .array(found.map { .string($0) }) : nil
      }
    case .array: nil
    case .uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64:
      integers.map { .array($0.map { .integer(Int64($0)) }) }
    }
  }

  private func values<Number: FixedWidthInteger & BitwiseCopyable, Result>(
    _ type: Number.Type,
    _ convert: (Number) -> Result
  ) -> [Result] {
    let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[byteRange])
    defer { withExtendedLifetime(file) {} }
    return (0..<count).map { index in
      let offset = index * MemoryLayout<Number>.size
      return convert(Number(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: type)))
    }
  }
}

/// The strings of a list, as bytes: token strings are not always UTF-8.
public struct GGUFStrings: RandomAccessCollection, Sendable {
  fileprivate let array: GGUFArray

  /// The position of the first string.
  public var startIndex: Int { 0 }
  /// The position after the last string.
  public var endIndex: Int { array.count }
  /// The bytes of a string.
  public subscript(position: Int) -> [UInt8] { withUnsafeBytes(at: position) { Array($0) } }

  /// The string at a position, or nil when it is not UTF-8.
  public func string(at position: Int) -> String? {
    withUnsafeBytes(at: position) { String(validating: $0, as: UTF8.self) }
  }

  /// Calls `body` with the bytes of a string, without a copy.
  public func withUnsafeBytes<Result>(
    at position: Int,
    _ body: (UnsafeRawBufferPointer) -> Result
  ) -> Result {
    let start = array.stringStarts[position]
    let bytes = array.file.bytes
    defer { withExtendedLifetime(array.file) {} }
    // The length was checked when the file was opened, but the file may have changed since.
    let declared = UInt64(
      littleEndian: bytes.loadUnaligned(fromByteOffset: start - 8, as: UInt64.self)
    )
    let count = Int(Swift.min(declared, UInt64(array.byteRange.upperBound - start)))
    return body(UnsafeRawBufferPointer(rebasing: bytes[start..<start + count]))
  }
}
