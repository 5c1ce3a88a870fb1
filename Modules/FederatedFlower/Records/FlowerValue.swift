/// A value of a configuration or a metric.
public enum FlowerValue: Sendable, Hashable {
  /// A number.
  case double(Double)
  /// An integer with a sign.
  case integer(Int64)
  /// An integer without a sign.
  case unsigned(UInt64)
  /// A truth value; configurations only.
  case truth(Bool)
  /// A text; configurations only.
  case text(String)
  /// Bytes; configurations only.
  case bytes([UInt8])
  /// Numbers.
  case doubles([Double])
  /// Integers with a sign.
  case integers([Int64])
  /// Integers without a sign.
  case unsigneds([UInt64])
  /// Truth values; configurations only.
  case truths([Bool])
  /// Texts; configurations only.
  case texts([String])
  /// Lists of bytes; configurations only.
  case byteLists([[UInt8]])
}

extension FlowerValue {
  /// The number, if this is one of whatever type.
  public var number: Double? {
    switch self {
    case .double(let value): value
    case .integer(let value): Double(value)
    case .unsigned(let value): Double(value)
    case .truth, .text, .bytes, .doubles, .integers, .unsigneds, .truths, .texts, .byteLists: nil
    }
  }

  /// The integer, if this is one that fits.
  public var int: Int? {
    switch self {
    case .integer(let value): Int(exactly: value)
    case .unsigned(let value): Int(exactly: value)
    case .double, .truth, .text, .bytes, .doubles, .integers, .unsigneds, .truths, .texts,
      .byteLists:
      nil
    }
  }

  /// The text, if this is one.
  public var string: String? { if case .text(let value) = self { value } else { nil } }

  /// The truth value, if this is one.
  public var bool: Bool? { if case .truth(let value) = self { value } else { nil } }
}

extension FlowerValue: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByStringLiteral, ExpressibleByBooleanLiteral
{
  /// An integer with a sign.
  public init(integerLiteral value: Int64) { self = .integer(value) }
  /// A number.
  public init(floatLiteral value: Double) { self = .double(value) }
  /// A text.
  public init(stringLiteral value: String) { self = .text(value) }
  /// A truth value.
  public init(booleanLiteral value: Bool) { self = .truth(value) }
}
