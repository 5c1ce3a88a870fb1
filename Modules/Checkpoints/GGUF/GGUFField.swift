/// A metadata value that is ready to be written to a GGUF file.
///
///     let metadata: [(String, GGUFField)] = [
///       ("general.architecture", .string("llama")), ("llama.block_count", .uint32(30)),
///     ]
public struct GGUFField: Equatable, Sendable {
  /// The type of the value.
  public let type: GGUFValueType
  /// The value as it lies in the file, behind its type.
  let bytes: [UInt8]

  private init(_ type: GGUFValueType, _ bytes: [UInt8]) {
    self.type = type
    self.bytes = bytes
  }

  /// An unsigned byte.
  public static func uint8(_ value: UInt8) -> GGUFField { GGUFField(.uint8, [value]) }
  /// A signed byte.
  public static func int8(_ value: Int8) -> GGUFField { GGUFField(.int8, littleEndian(value)) }
  /// An unsigned 16-bit integer.
  public static func uint16(_ value: UInt16) -> GGUFField {
    GGUFField(.uint16, littleEndian(value))
  }
  /// A signed 16-bit integer.
  public static func int16(_ value: Int16) -> GGUFField { GGUFField(.int16, littleEndian(value)) }
  /// An unsigned 32-bit integer.
  public static func uint32(_ value: UInt32) -> GGUFField {
    GGUFField(.uint32, littleEndian(value))
  }
  /// A signed 32-bit integer.
  public static func int32(_ value: Int32) -> GGUFField { GGUFField(.int32, littleEndian(value)) }
  /// An unsigned 64-bit integer.
  public static func uint64(_ value: UInt64) -> GGUFField {
    GGUFField(.uint64, littleEndian(value))
  }
  /// A signed 64-bit integer.
  public static func int64(_ value: Int64) -> GGUFField { GGUFField(.int64, littleEndian(value)) }
  /// A binary32.
  public static func float32(_ value: Float) -> GGUFField {
    GGUFField(.float32, littleEndian(value.bitPattern))
  }
  /// A binary64.
  public static func float64(_ value: Double) -> GGUFField {
    GGUFField(.float64, littleEndian(value.bitPattern))
  }
  /// A truth value.
  public static func bool(_ value: Bool) -> GGUFField { GGUFField(.bool, [value ? 1 : 0]) }
  /// A text.
  public static func string(_ text: String) -> GGUFField { string(Array(text.utf8)) }
  /// A string of bytes, which should be UTF-8.
  public static func string(_ bytes: [UInt8]) -> GGUFField { GGUFField(.string, counted(bytes)) }

  /// A list of strings of bytes, which should be UTF-8.
  public static func strings(_ elements: [[UInt8]]) -> GGUFField {
    list(.string, count: elements.count, elements.flatMap { counted($0) })
  }
  /// A list of binary32.
  public static func floats(_ elements: [Float]) -> GGUFField {
    list(.float32, count: elements.count, elements.flatMap { littleEndian($0.bitPattern) })
  }
  /// A list of signed 32-bit integers.
  public static func integers(_ elements: [Int32]) -> GGUFField {
    list(.int32, count: elements.count, elements.flatMap { littleEndian($0) })
  }
  /// A list of truth values.
  public static func bools(_ elements: [Bool]) -> GGUFField {
    list(.bool, count: elements.count, elements.map { $0 ? 1 : 0 })
  }

  /// A value that was read, with the bytes that it has in its file.
  public init(_ value: GGUFValue) {
    switch value {
    case .uint8(let value): self = .uint8(value)
    case .int8(let value): self = .int8(value)
    case .uint16(let value): self = .uint16(value)
    case .int16(let value): self = .int16(value)
    case .uint32(let value): self = .uint32(value)
    case .int32(let value): self = .int32(value)
    case .uint64(let value): self = .uint64(value)
    case .int64(let value): self = .int64(value)
    case .float32(let value): self = .float32(value)
    case .float64(let value): self = .float64(value)
    case .bool(let value): self = .bool(value)
    case .string(let bytes): self = .string(bytes)
    case .array(let array):
      let bytes = withExtendedLifetime(array.file) { Array(array.file.bytes[array.byteRange]) }
      self = Self.list(array.elementType, count: array.count, bytes)
    }
  }

  private static func list(
    _ type: GGUFValueType,
    count: Int,
    _ elements: [UInt8]
  ) -> GGUFField {
    GGUFField(.array, littleEndian(type.rawValue) + littleEndian(UInt64(count)) + elements)
  }

  /// A length, then the bytes.
  static func counted(_ bytes: [UInt8]) -> [UInt8] { littleEndian(UInt64(bytes.count)) + bytes }

  static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    Swift.withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }
}
