/// Why bytes are no update of the expected layout.
public enum UpdateEncodingError: Error, Equatable, Sendable {
  /// The bytes end too early, go on too long, or do not begin as an update does.
  case malformed(String)
  /// The sum over the bytes is not the one at their end.
  case damaged
  /// The update belongs to another plan.
  case otherLayout(expected: UInt64, found: UInt64)
  /// A number is NaN or infinite, or a scale is not positive.
  case notFinite
}

extension UpdateEncodingError: CustomStringConvertible {
  /// The fault.
  public var description: String {
    switch self {
    case .malformed(let reason): "update bytes: \(reason)"
    case .damaged: "update bytes: the check sum is wrong, send them again"
    case .otherLayout(let expected, let found):
      "update bytes: made for layout \(found), the plan's is \(expected)"
    case .notFinite: "update bytes: a number is not finite or a scale is not positive"
    }
  }
}
