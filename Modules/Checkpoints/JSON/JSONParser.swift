#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

extension JSONValue {
  /// The value that UTF-8 text holds.
  ///
  /// Strict: RFC 8259's grammar, valid UTF-8, no byte order mark, no key twice in one object, no
  /// half surrogate pairs, nothing after the value but what the limits allow. The whole text is
  /// read by concrete loops over its bytes; time and memory are linear in its length.
  public static func parse(
    _ bytes: UnsafeRawBufferPointer,
    limits: JSONLimits = JSONLimits()
  ) throws(JSONError) -> JSONValue {
    guard bytes.count <= limits.byteCount else {
      throw JSONError(offset: limits.byteCount, reason: .tooLong(limit: limits.byteCount))
    }
    guard let base = bytes.baseAddress, bytes.count > 0 else {
      throw JSONError(offset: 0, reason: .unexpectedEnd)
    }
    var parser = JSONParser(base.assumingMemoryBound(to: UInt8.self), bytes.count, limits)
    return try parser.document()
  }

  /// The value that UTF-8 text holds; see `parse(_:limits:)` over raw bytes.
  public static func parse(
    _ data: Data,
    limits: JSONLimits = JSONLimits()
  ) throws(JSONError) -> JSONValue {
    // Data's closure methods rethrow untyped errors: carry the outcome out as a value.
    let outcome = data.withUnsafeBytes { bytes in
      Result<JSONValue, JSONError> { () throws(JSONError) in try parse(bytes, limits: limits) }
    }
    return try outcome.get()
  }

  /// The value that UTF-8 text holds; see `parse(_:limits:)` over raw bytes.
  public static func parse(
    _ bytes: [UInt8],
    limits: JSONLimits = JSONLimits()
  ) throws(JSONError) -> JSONValue {
    let outcome = bytes.withUnsafeBytes { bytes in
      Result<JSONValue, JSONError> { () throws(JSONError) in try parse(bytes, limits: limits) }
    }
    return try outcome.get()
  }

  /// The value that a text holds; see `parse(_:limits:)` over raw bytes.
  public static func parse(
    _ text: String,
    limits: JSONLimits = JSONLimits()
  ) throws(JSONError) -> JSONValue {
    try parse(Array(text.utf8), limits: limits)
  }
}

/// Builds a tree of values by recursive descent.
private struct JSONParser {
  private var scanner: JSONScanner
  private let limits: JSONLimits
  private var remaining: Int

  init(_ base: UnsafePointer<UInt8>, _ count: Int, _ limits: JSONLimits) {
    scanner = JSONScanner(base, count: count)
    self.limits = limits
    remaining = limits.valueCount
  }

  mutating func document() throws(JSONError) -> JSONValue {
    scanner.skipWhitespace()
    let value = try value(depth: 0)
    try scanner.requireEnd(limits.trailing)
    return value
  }

  private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
    guard let byte = scanner.next else { throw scanner.failure(.unexpectedEnd) }
    remaining -= 1
    guard remaining >= 0 else {
      throw scanner.failure(.tooManyValues(limit: limits.valueCount))
    }
    switch byte {
    case 0x22: return .string(try scanner.string())
    case 0x2D, 0x30...0x39: return try scanner.number()
    case 0x5B: return .array(try array(depth: depth + 1))
    case 0x7B: return .object(try object(depth: depth + 1))
    case 0x74:
      try scanner.require(word: "true")
      return .bool(true)
    case 0x66:
      try scanner.require(word: "false")
      return .bool(false)
    case 0x6E:
      try scanner.require(word: "null")
      return .null
    default: throw scanner.unexpected("a value")
    }
  }

  private mutating func array(depth: Int) throws(JSONError) -> [JSONValue] {
    try open(0x5B, "[", depth: depth)
    var values: [JSONValue] = []
    if scanner.skip(0x5D) { return values }
    while true {
      values.append(try value(depth: depth))
      scanner.skipWhitespace()
      if scanner.skip(0x5D) { return values }
      try scanner.require(0x2C, "',' or ']'")
      scanner.skipWhitespace()
    }
  }

  private mutating func object(depth: Int) throws(JSONError) -> JSONObject {
    try open(0x7B, "{", depth: depth)
    var object = JSONObject()
    if scanner.skip(0x7D) { return object }
    while true {
      let place = scanner.offset
      let key = try scanner.string()
      scanner.skipWhitespace()
      try scanner.require(0x3A, "':'")
      scanner.skipWhitespace()
      guard object.append(key, try value(depth: depth)) else {
        throw scanner.failure(.duplicateKey(key), at: place)
      }
      scanner.skipWhitespace()
      if scanner.skip(0x7D) { return object }
      try scanner.require(0x2C, "',' or '}'")
      scanner.skipWhitespace()
    }
  }

  private mutating func open(_ byte: UInt8, _ name: String, depth: Int) throws(JSONError) {
    guard depth <= limits.depth else { throw scanner.failure(.tooDeep(limit: limits.depth)) }
    try scanner.require(byte, name)
    scanner.skipWhitespace()
  }
}
