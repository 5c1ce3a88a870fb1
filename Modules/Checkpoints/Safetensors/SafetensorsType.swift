public import Tensor

/// How a safetensors file stores numbers; the raw value is the name in the header.
public enum SafetensorsType: String, Sendable, CaseIterable {
  /// Truth values, one byte each.
  case bool = "BOOL"
  /// Unsigned bytes.
  case uint8 = "U8"
  /// Signed bytes.
  case int8 = "I8"
  /// Signed 16-bit integers.
  case int16 = "I16"
  /// Unsigned 16-bit integers.
  case uint16 = "U16"
  /// Signed 32-bit integers.
  case int32 = "I32"
  /// Unsigned 32-bit integers.
  case uint32 = "U32"
  /// Signed 64-bit integers.
  case int64 = "I64"
  /// Unsigned 64-bit integers.
  case uint64 = "U64"
  /// IEEE 754 binary16.
  case float16 = "F16"
  /// The upper half of a binary32.
  case bfloat16 = "BF16"
  /// IEEE 754 binary32.
  case float32 = "F32"
  /// IEEE 754 binary64.
  case float64 = "F64"
  /// Pairs of binary32.
  case complex64 = "C64"
  /// 8-bit floats, 5 exponent bits.
  case float8e5m2 = "F8_E5M2"
  /// 8-bit floats, 4 exponent bits.
  case float8e4m3 = "F8_E4M3"
  /// 8-bit powers of two.
  case float8e8m0 = "F8_E8M0"
  /// 8-bit floats, 4 exponent bits, no infinities and no negative zero.
  case float8e4m3fnuz = "F8_E4M3FNUZ"
  /// 8-bit floats, 5 exponent bits, no infinities and no negative zero.
  case float8e5m2fnuz = "F8_E5M2FNUZ"
  /// 6-bit floats, 2 exponent bits.
  case float6e2m3 = "F6_E2M3"
  /// 6-bit floats, 3 exponent bits.
  case float6e3m2 = "F6_E3M2"
  /// 4-bit floats.
  case float4 = "F4"

  /// The bits of one element.
  public var bitCount: Int {
    switch self {
    case .float4: 4
    case .float6e2m3, .float6e3m2: 6
    case .bool, .uint8, .int8, .float8e5m2, .float8e4m3, .float8e8m0, .float8e4m3fnuz,
      .float8e5m2fnuz:
      8
    case .int16, .uint16, .float16, .bfloat16: 16
    case .int32, .uint32, .float32: 32
    case .int64, .uint64, .float64, .complex64: 64
    }
  }

  /// The element type of a tensor that holds the same bits, if there is one.
  public var elementType: ElementType? {
    switch self {
    case .bool: .bool
    case .uint8: .uint8
    case .int8: .int8
    case .int32: .int32
    case .int64: .int64
    case .float16: .float16
    case .bfloat16: .bfloat16
    case .float32: .float32
    case .float64: .float64
    case .int16, .uint16, .uint32, .uint64, .complex64, .float8e5m2, .float8e4m3, .float8e8m0,
      .float8e4m3fnuz, .float8e5m2fnuz, .float6e2m3, .float6e3m2, .float4:
      nil
    }
  }

  /// The type that stores the elements of a tensor as they are.
  public init(_ type: ElementType) {
    switch type {
    case .float32: self = .float32
    case .float16: self = .float16
    case .bfloat16: self = .bfloat16
    case .float64: self = .float64
    case .int64: self = .int64
    case .int32: self = .int32
    case .int8: self = .int8
    case .uint8: self = .uint8
    case .bool: self = .bool
    }
  }
}
