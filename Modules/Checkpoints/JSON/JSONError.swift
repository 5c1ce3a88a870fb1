/// Why a text is not the JSON that was asked for, and where.
public struct JSONError: Error, Equatable, Sendable {
  /// What is wrong with the text.
  public enum Reason: Equatable, Sendable {
    /// The text ends inside a value.
    case unexpectedEnd
    /// A byte that cannot stand here; `expected` says what can.
    case unexpectedByte(UInt8, expected: String)
    /// The bytes of a string are not UTF-8.
    case invalidUTF8
    /// A control character (below U+0020) that is not escaped.
    case controlCharacter(UInt8)
    /// A backslash that no escape follows.
    case invalidEscape
    /// Half of a surrogate pair.
    case loneSurrogate
    /// The same key twice in one object, compared after unescaping, byte by byte.
    case duplicateKey(String)
    /// A key that the format demands is not there.
    case missingKey(String)
    /// A number that breaks the grammar (leading zero, missing digits).
    case invalidNumber
    /// A number whose value no `Double` holds, or that is longer than 4,096 characters.
    case numberOutOfRange
    /// Arrays and objects are nested deeper than the limit.
    case tooDeep(limit: Int)
    /// The text is longer than the limit.
    case tooLong(limit: Int)
    /// There are more values than the limit.
    case tooManyValues(limit: Int)
    /// Something follows the value.
    case trailingBytes
  }

  /// The byte offset of the fault.
  public let offset: Int
  /// What is wrong there.
  public let reason: Reason

  /// An error at a byte offset.
  public init(offset: Int, reason: Reason) {
    self.offset = offset
    self.reason = reason
  }
}

extension JSONError: CustomStringConvertible {
  /// The reason and the offset: `json: duplicate key "a" at byte 17`.
  public var description: String { "json: \(reason) at byte \(offset)" }
}

extension JSONError.Reason: CustomStringConvertible {
  /// The reason in words.
  public var description: String {
    switch self {
    case .unexpectedEnd: "unexpected end"
    case .unexpectedByte(let byte, let expected):
      "unexpected \(byteName(byte)), expected \(expected)"
    case .invalidUTF8: "invalid UTF-8"
    case .controlCharacter(let byte): "unescaped control character \(byteName(byte))"
    case .invalidEscape: "invalid escape"
    case .loneSurrogate: "lone surrogate"
    case .duplicateKey(let key): "duplicate key \(key.quotedForMessage)"
    case .missingKey(let key): "missing key \(key.quotedForMessage)"
    case .invalidNumber: "invalid number"
    case .numberOutOfRange: "number out of range"
    case .tooDeep(let limit): "nested deeper than \(limit)"
    case .tooLong(let limit): "longer than \(limit) bytes"
    case .tooManyValues(let limit): "more than \(limit) values"
    case .trailingBytes: "bytes after the value"
    }
  }
}

/// What a parser accepts beyond the grammar, and where it stops.
public struct JSONLimits: Equatable, Sendable {
  /// What may follow the value.
  public enum Trailing: Equatable, Sendable {
    /// Nothing.
    case nothing
    /// Spaces only (0x20).
    case spaces
    /// Spaces, tabs, line feeds and carriage returns.
    case whitespace
  }

  /// The deepest nesting of arrays and objects; a bare number has depth 0.
  public var depth: Int
  /// The longest text, in bytes.
  public var byteCount: Int
  /// The largest number of values, nested ones included.
  public var valueCount: Int
  /// What may follow the value.
  public var trailing: Trailing

  /// Limits; the defaults (depth 128, 1 GiB, 2²⁶ values) suit files from model hubs.
  public init(
    depth: Int = 128,
    byteCount: Int = 1 << 30,
    valueCount: Int = 1 << 26,
    trailing: Trailing = .whitespace
  ) {
    // The parser recurses: beyond this a small thread stack could end.
    self.depth = min(depth, 512)
    self.byteCount = byteCount
    self.valueCount = valueCount
    self.trailing = trailing
  }
}

private func byteName(_ byte: UInt8) -> String {
  (0x21...0x7E).contains(byte)
    ? "'\(Character(Unicode.Scalar(byte)))'" : "byte 0x" + String(byte, radix: 16)
}

extension String {
  /// The text between quotes, shortened and with control characters escaped: safe in a message.
  package var quotedForMessage: String {
    var text = "\""
    for (index, scalar) in unicodeScalars.enumerated() {
      if index == 100 { return text + "…\"" }
      text +=
        scalar.value < 0x20 || scalar.value == 0x7F ? scalar.escaped(asASCII: true) : "\(scalar)"
    }
    return text + "\""
  }
}
