/// The element types of arrays, by NumPy's names.
public enum FlowerNumberType: String, Sendable, Hashable, CaseIterable {
  /// Half precision.
  case float16
  /// Single precision.
  case float32
  /// Double precision.
  case float64
  /// Signed, one byte.
  case int8
  /// Signed, two bytes.
  case int16
  /// Signed, four bytes.
  case int32
  /// Signed, eight bytes.
  case int64
  /// Unsigned, one byte.
  case uint8
  /// Unsigned, two bytes.
  case uint16
  /// Unsigned, four bytes.
  case uint32
  /// Unsigned, eight bytes.
  case uint64
  /// Truth values, one byte each.
  case bool

  /// The bytes of one element.
  public var byteCount: Int {
    switch self {
    case .int8, .uint8, .bool: 1
    case .float16, .int16, .uint16: 2
    case .float32, .int32, .uint32: 4
    case .float64, .int64, .uint64: 8
    }
  }

  /// The type as the header of an NPY file names it, little-endian.
  var code: String { (byteCount == 1 ? "|" : "<") + letter + "\(byteCount)" }

  private var letter: String {
    switch self {
    case .float16, .float32, .float64: "f"
    case .int8, .int16, .int32, .int64: "i"
    case .uint8, .uint16, .uint32, .uint64: "u"
    case .bool: "b"
    }
  }

  /// The type and byte order of a header's code, such as `>f4`; nil for any other code.
  static func parse(code: String) -> (type: FlowerNumberType, isBigEndian: Bool)? {
    guard let order = code.first, "<>|".contains(order),
      let type = allCases.first(where: { $0.code.dropFirst() == code.dropFirst() }),
      order != "|" || type.byteCount == 1
    else { return nil }
    return (type, order == ">" && type.byteCount > 1)
  }
}
