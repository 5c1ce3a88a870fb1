import Checkpoints

/// A value of a tokenizer.json with the path that leads to it, for messages.
struct TokenizerField {
  let path: String
  /// The value; absent fields are `null`.
  let value: JSONValue

  init(path: String, value: JSONValue) {
    self.path = path
    self.value = value
  }

  subscript(key: String) -> TokenizerField {
    TokenizerField(path: path.isEmpty ? key : "\(path).\(key)", value: value[key] ?? .null)
  }

  var isNull: Bool { value.isNull }

  func invalid(_ expected: String) -> TokenizerError {
    if isNull { return .missingField(path: path) }
    let text: String
    switch value {
    case .string(let string): text = string.quotedForMessage
    case .integer(let integer): text = "\(integer)"
    case .number(let number): text = "\(number)"
    case .bool(let flag): text = "\(flag)"
    case .null, .array, .object: text = value.kind
    }
    return .invalidField(path: path, expected: expected, found: text)
  }

  func unsupported(_ supported: [String]) -> TokenizerError {
    guard let name = value.stringValue else {
      return .unsupported(path: path, name: "\(invalid("").foundText)", supported: supported)
    }
    return .unsupported(path: path, name: name.shortened, supported: supported)
  }

  // MARK: - Values

  func string() throws(TokenizerError) -> String {
    guard let string = value.stringValue else { throw invalid("a string") }
    return string
  }

  func object() throws(TokenizerError) -> JSONObject {
    guard let object = value.objectValue else { throw invalid("an object") }
    return object
  }

  func array() throws(TokenizerError) -> [JSONValue] {
    guard let array = value.arrayValue else { throw invalid("a list") }
    return array
  }

  /// The elements as fields; for short lists of components.
  func elements() throws(TokenizerError) -> [TokenizerField] {
    let array = try array()
    guard array.count <= TokenizerLimits.steps else {
      throw .limitExceeded(
        path: "\(path): number of entries",
        limit: TokenizerLimits.steps,
        found: array.count
      )
    }
    return array.enumerated().map {
      TokenizerField(path: "\(path)[\($0.offset)]", value: $0.element)
    }
  }

  func flag(default fallback: Bool) throws(TokenizerError) -> Bool {
    if isNull { return fallback }
    guard let flag = value.boolValue else { throw invalid("true or false") }
    return flag
  }

  func integer(in range: ClosedRange<Int>) throws(TokenizerError) -> Int {
    guard let integer = value.intValue, range.contains(integer) else {
      throw invalid("an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return integer
  }

  func id() throws(TokenizerError) -> Int32 { Int32(try integer(in: 0...Int(Int32.max))) }

  /// The single scalar that a string holds.
  func scalar() throws(TokenizerError) -> Unicode.Scalar {
    let scalars = try string().unicodeScalars
    guard let scalar = scalars.first, scalars.count == 1 else {
      throw invalid("a string of one character")
    }
    return scalar
  }

  /// The case of an enumeration with this name.
  func choice<Choice: RawRepresentable & CaseIterable>() throws(TokenizerError) -> Choice
  where Choice.RawValue == String {
    guard let choice = Choice(rawValue: try string()) else {
      throw unsupported(Choice.allCases.map(\.rawValue))
    }
    return choice
  }

  /// A string that is short enough to be repeated for each piece of text.
  func shortBytes() throws(TokenizerError) -> [UInt8] {
    let bytes = Array(try string().utf8)
    guard bytes.count <= TokenizerLimits.tokenBytes else {
      throw .limitExceeded(
        path: "\(path): bytes",
        limit: TokenizerLimits.tokenBytes,
        found: bytes.count
      )
    }
    return bytes
  }
}

extension TokenizerError {
  fileprivate var foundText: String {
    if case .invalidField(_, _, let found) = self { found } else { "nothing" }
  }
}

extension String {
  /// At most 100 scalars, for messages.
  var shortened: String {
    unicodeScalars.count <= 100 ? self : String(unicodeScalars.prefix(100)) + "…"
  }
}
