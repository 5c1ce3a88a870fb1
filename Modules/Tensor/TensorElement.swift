/// The element types a tensor can hold.
public enum ElementType: String, Codable, Hashable, Sendable, CaseIterable {
  /// IEEE 754 binary32: what computes.
  case float32
  /// IEEE 754 binary16: storage and conversion.
  case float16
  /// The upper half of a binary32: storage and conversion.
  case bfloat16
  /// IEEE 754 binary64: oracles and small linear algebra.
  case float64
  /// Signed 64-bit integers.
  case int64
  /// Signed 32-bit integers: token ids, indices.
  case int32
  /// Signed bytes.
  case int8
  /// Unsigned bytes: codes, masks.
  case uint8
  /// Truth values, one byte each, 0 or 1.
  case bool

  /// Bytes of one element.
  public var byteCount: Int {
    switch self {
    case .float64, .int64: 8
    case .float32, .int32: 4
    case .float16, .bfloat16: 2
    case .int8, .uint8, .bool: 1
    }
  }
}

/// A type that can be the element of a tensor.
///
/// All conforming types are trivial and lie in memory as their bits do in a safetensors file.
public protocol TensorElement: Sendable, BitwiseCopyable, Equatable {
  /// Which of the element types this is.
  static var elementType: ElementType { get }
  /// The value of an element that was not set.
  static var zero: Self { get }
}

extension Float: TensorElement {
  /// `float32`.
  public static var elementType: ElementType { .float32 }
}
extension Float16: TensorElement {
  /// `float16`.
  public static var elementType: ElementType { .float16 }
}
extension Double: TensorElement {
  /// `float64`.
  public static var elementType: ElementType { .float64 }
}
extension Int64: TensorElement {
  /// `int64`.
  public static var elementType: ElementType { .int64 }
}
extension Int32: TensorElement {
  /// `int32`.
  public static var elementType: ElementType { .int32 }
}
extension Int8: TensorElement {
  /// `int8`.
  public static var elementType: ElementType { .int8 }
}
extension UInt8: TensorElement {
  /// `uint8`.
  public static var elementType: ElementType { .uint8 }
}
extension Bool: TensorElement {
  /// `bool`.
  public static var elementType: ElementType { .bool }
  /// `false`.
  public static var zero: Bool { false }
}
