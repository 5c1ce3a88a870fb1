/// The type of a GGUF metadata value; the raw value is the code in the file.
public enum GGUFValueType: UInt32, Sendable, CaseIterable {
  /// An unsigned byte.
  case uint8 = 0
  /// A signed byte.
  case int8 = 1
  /// An unsigned 16-bit integer.
  case uint16 = 2
  /// A signed 16-bit integer.
  case int16 = 3
  /// An unsigned 32-bit integer.
  case uint32 = 4
  /// A signed 32-bit integer.
  case int32 = 5
  /// A binary32.
  case float32 = 6
  /// A truth value.
  case bool = 7
  /// Bytes that should be UTF-8.
  case string = 8
  /// A list of values of one type.
  case array = 9
  /// An unsigned 64-bit integer.
  case uint64 = 10
  /// A signed 64-bit integer.
  case int64 = 11
  /// A binary64.
  case float64 = 12

  /// The bytes of a value; nil where they vary.
  var byteCount: Int? {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64: 8
    case .string, .array: nil
    }
  }
}

/// A metadata value of a GGUF file.
public enum GGUFValue: Sendable {
  /// An unsigned byte.
  case uint8(UInt8)
  /// A signed byte.
  case int8(Int8)
  /// An unsigned 16-bit integer.
  case uint16(UInt16)
  /// A signed 16-bit integer.
  case int16(Int16)
  /// An unsigned 32-bit integer.
  case uint32(UInt32)
  /// A signed 32-bit integer.
  case int32(Int32)
  /// An unsigned 64-bit integer.
  case uint64(UInt64)
  /// A signed 64-bit integer.
  case int64(Int64)
  /// A binary32.
  case float32(Float)
  /// A binary64.
  case float64(Double)
  /// A truth value.
  case bool(Bool)
  /// The bytes of a string, which should be UTF-8 and sometimes are not.
  case string([UInt8])
  /// A list of values of one type.
  case array(GGUFArray)

  /// The type of the value.
  public var type: GGUFValueType {
    switch self {
    case .uint8: .uint8
    case .int8: .int8
    case .uint16: .uint16
    case .int16: .int16
    case .uint32: .uint32
    case .int32: .int32
    case .uint64: .uint64
    case .int64: .int64
    case .float32: .float32
    case .float64: .float64
    case .bool: .bool
    case .string: .string
    case .array: .array
    }
  }

  /// The integer, of whatever width, if this is one and fits.
  public var integerValue: Int? {
    switch self {
    case .uint8(let value): Int(value)
    case .int8(let value): Int(value)
    case .uint16(let value): Int(value)
    case .int16(let value): Int(value)
    case .uint32(let value): Int(exactly: value)
    case .int32(let value): Int(value)
    case .uint64(let value): Int(exactly: value)
    case .int64(let value): Int(exactly: value)
    case .float32, .float64, .bool, .string, .array: nil
    }
  }

  /// The number, if this is one of any type.
  public var doubleValue: Double? {
    switch self {
    case .float32(let value): Double(value)
    case .float64(let value): value
    case .uint64(let value): Double(value)
    case .int64(let value): Double(value)
    case .uint8, .int8, .uint16, .int16, .uint32, .int32: integerValue.map { Double($0) }
    case .bool, .string, .array: nil
    }
  }

  /// The number as a `Float`, if this is one of any type.
  public var floatValue: Float? {
    if case .float32(let value) = self { value } else { doubleValue.map { Float($0) } }
  }

  /// The truth value, if this is one.
  public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }

  /// The bytes of the string, if this is one.
  public var bytesValue: [UInt8]? { if case .string(let value) = self { value } else { nil } }

  /// The string, if this is one in valid UTF-8.
  public var stringValue: String? { bytesValue.flatMap { String(validating: $0, as: UTF8.self) } }

  /// The list, if this is one.
  public var arrayValue: GGUFArray? { if case .array(let value) = self { value } else { nil } }

  /// The value as JSON, for readers of configurations; nil for what JSON cannot say (bytes that are
  /// not UTF-8, integers above `Int64.max`).
  public var jsonValue: JSONValue? {
    switch self {
    case .float32(let value): .number(Double(value))
    case .float64(let value): .number(value)
    case .bool(let value): .bool(value)
    case .string: stringValue.map { .string($0) }
    case .array(let array): array.jsonValue
    case .uint8, .int8, .uint16, .int16, .uint32, .int32, .uint64, .int64:
      integerValue.map { .integer(Int64($0)) }
    }
  }
}
