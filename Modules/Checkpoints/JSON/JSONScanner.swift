/// Reads the tokens of JSON text from raw bytes, one after the other.
///
/// The bytes must outlive the scanner. Nothing is copied but the strings that are returned.
struct JSONScanner {
  private let base: UnsafePointer<UInt8>
  private let count: Int
  /// The next byte to read.
  private(set) var offset = 0
  private var scratch: [UInt8] = []

  /// A scanner over `count` bytes, at least one.
  init(_ base: UnsafePointer<UInt8>, count: Int) {
    self.base = base
    self.count = count
  }

  var isAtEnd: Bool { offset >= count }

  /// The next byte, or nil at the end.
  var next: UInt8? { offset < count ? base[offset] : nil }

  func failure(_ reason: JSONError.Reason, at place: Int? = nil) -> JSONError {
    JSONError(offset: place ?? offset, reason: reason)
  }

  /// The error for the byte at hand.
  func unexpected(_ expected: String) -> JSONError {
    guard let byte = next else { return failure(.unexpectedEnd) }
    return failure(.unexpectedByte(byte, expected: expected))
  }

  mutating func skipWhitespace() {
    while offset < count {
      let byte = base[offset]
      guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
      offset += 1
    }
  }

  /// Consumes `byte` if it is next.
  mutating func skip(_ byte: UInt8) -> Bool {
    guard offset < count, base[offset] == byte else { return false }
    offset += 1
    return true
  }

  mutating func require(_ byte: UInt8, _ expected: String) throws(JSONError) {
    guard skip(byte) else { throw unexpected(expected) }
  }

  /// Consumes a word such as `true`.
  mutating func require(word: StaticString) throws(JSONError) {
    for index in 0..<word.utf8CodeUnitCount {
      guard next == word.utf8Start[index] else { throw unexpected("\(word)") }
      offset += 1
    }
  }

  /// Consumes what `trailing` allows; the text must end there.
  mutating func requireEnd(_ trailing: JSONLimits.Trailing) throws(JSONError) {
    switch trailing {
    case .nothing: break
    case .spaces: while skip(0x20) {}
    case .whitespace: skipWhitespace()
    }
    guard isAtEnd else { throw failure(.trailingBytes) }
  }
}

// MARK: - Strings

extension JSONScanner {
  /// Consumes a string, quotes included.
  mutating func string() throws(JSONError) -> String {
    try require(0x22, "a string")
    let start = offset
    let isASCII = skipPlainBytes()
    guard let stop = next else { throw failure(.unexpectedEnd) }
    guard stop == 0x22 else { return try escapedString(from: start) }
    let bytes = UnsafeBufferPointer(start: base + start, count: offset - start)
    offset += 1
    if isASCII { return String(decoding: bytes, as: UTF8.self) }
    return try validated(bytes, at: start)
  }

  private func validated(
    _ bytes: UnsafeBufferPointer<UInt8>,
    at place: Int
  ) throws(JSONError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw failure(.invalidUTF8, at: place + firstInvalidUTF8(bytes))
    }
    return text
  }

  /// Moves to the next quote, backslash or control character (or the end), eight bytes at a step;
  /// whether all bytes before it are ASCII.
  private mutating func skipPlainBytes() -> Bool {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let tops: UInt64 = 0x8080_8080_8080_8080
    var high: UInt64 = 0
    while count - offset >= 8 {
      let word = UInt64(
        littleEndian: UnsafeRawPointer(base + offset).loadUnaligned(as: UInt64.self)
      )
      // The lowest marked byte of each term is exact; a borrow can only mark bytes above it.
      let quotes = ((word ^ (ones &* 0x22)) &- ones) & ~(word ^ (ones &* 0x22))
      let slashes = ((word ^ (ones &* 0x5C)) &- ones) & ~(word ^ (ones &* 0x5C))
      let controls = (word &- ones &* 0x20) & ~word
      let stops = (quotes | slashes | controls) & tops
      if stops != 0 {
        high |= word & ((stops & (~stops &+ 1)) &- 1)
        offset += stops.trailingZeroBitCount >> 3
        return high & tops == 0
      }
      high |= word
      offset += 8
    }
    while offset < count {
      let byte = base[offset]
      if byte == 0x22 || byte == 0x5C || byte < 0x20 { break }
      high |= UInt64(byte)
      offset += 1
    }
    return high & tops == 0
  }

  /// The rest of a string that holds an escape or a fault; `offset` is at the first of them.
  private mutating func escapedString(from start: Int) throws(JSONError) -> String {
    scratch.removeAll(keepingCapacity: true)
    var pending = start
    while true {
      guard let stop = next else { throw failure(.unexpectedEnd) }
      let bytes = UnsafeBufferPointer(start: base + pending, count: offset - pending)
      // Checked piece by piece: an escape cannot stand inside a multi-byte sequence.
      if let fault = invalidUTF8Offset(bytes) { throw failure(.invalidUTF8, at: pending + fault) }
      scratch.append(contentsOf: bytes)
      if stop < 0x20 { throw failure(.controlCharacter(stop)) }
      offset += 1
      if stop == 0x22 { return String(decoding: scratch, as: UTF8.self) }
      try unescape()
      pending = offset
      _ = skipPlainBytes()
    }
  }

  /// Appends what the escape means; `offset` is after the backslash.
  private mutating func unescape() throws(JSONError) {
    guard let letter = next else { throw failure(.unexpectedEnd) }
    offset += 1
    switch letter {
    case 0x22, 0x5C, 0x2F: scratch.append(letter)
    case 0x62: scratch.append(0x08)
    case 0x66: scratch.append(0x0C)
    case 0x6E: scratch.append(0x0A)
    case 0x72: scratch.append(0x0D)
    case 0x74: scratch.append(0x09)
    case 0x75: scratch.append(contentsOf: String(try scalar()).utf8)
    default: throw failure(.invalidEscape, at: offset - 2)
    }
  }

  /// The scalar of `\uXXXX` or of a pair of them; `offset` is after the `u`.
  private mutating func scalar() throws(JSONError) -> Character {
    let start = offset - 2
    let first = try codeUnit()
    var value = UInt32(first)
    if UTF16.isLeadSurrogate(first) {
      guard skip(0x5C), skip(0x75) else { throw failure(.loneSurrogate, at: start) }
      let second = try codeUnit()
      guard UTF16.isTrailSurrogate(second) else { throw failure(.loneSurrogate, at: start) }
      value = 0x10000 + (UInt32(first) & 0x3FF) << 10 + UInt32(second) & 0x3FF
    }
    guard let scalar = Unicode.Scalar(value) else { throw failure(.loneSurrogate, at: start) }
    return Character(scalar)
  }

  private mutating func codeUnit() throws(JSONError) -> UInt16 {
    var value: UInt16 = 0
    for _ in 0..<4 {
      guard let byte = next else { throw failure(.unexpectedEnd) }
      switch byte {
      case 0x30...0x39: value = value << 4 | UInt16(byte - 0x30)
      case 0x41...0x46: value = value << 4 | UInt16(byte - 0x37)
      case 0x61...0x66: value = value << 4 | UInt16(byte - 0x57)
      default: throw failure(.invalidEscape)
      }
      offset += 1
    }
    return value
  }

  private func invalidUTF8Offset(_ bytes: UnsafeBufferPointer<UInt8>) -> Int? {
    if bytes.allSatisfy({ $0 < 0x80 }) { return nil }
    return String(validating: bytes, as: UTF8.self) == nil ? firstInvalidUTF8(bytes) : nil
  }

  /// Where decoding stops; called for text that is known to be invalid.
  private func firstInvalidUTF8(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    var valid = 0
    while case .scalarValue(let scalar) = decoder.decode(&iterator) {
      valid += UTF8.width(scalar)
    }
    return valid
  }
}

// MARK: - Numbers

extension JSONScanner {
  /// Consumes a number that must be written as an integer and fit in 64 bits.
  mutating func integer() throws(JSONError) -> Int64 {
    let start = offset
    guard case .integer(let value) = try number() else {
      throw failure(
        .unexpectedByte(base[start], expected: "an integer of at most 64 bits"),
        at: start
      )
    }
    return value
  }

  /// Consumes a number.
  mutating func number() throws(JSONError) -> JSONValue {
    let start = offset
    let isNegative = skip(0x2D)
    var digits = DecimalDigits()
    if !skip(0x30) { try require(digits: &digits, start: start) }
    if let byte = next, (0x30...0x39).contains(byte) { throw failure(.invalidNumber, at: start) }
    var isInteger = true
    var exponent = 0
    if skip(0x2E) {
      isInteger = false
      let point = offset
      try require(digits: &digits, start: start)
      exponent = point - offset
    }
    if skip(0x65) || skip(0x45) {
      isInteger = false
      exponent += try exponentPart(start: start)
    }
    if isInteger, let value = digits.integer(isNegative: isNegative) { return .integer(value) }
    if let value = digits.double(isNegative: isNegative, exponent: exponent) {
      return .number(value)
    }
    return .number(try slowDouble(from: start))
  }

  private mutating func require(digits: inout DecimalDigits, start: Int) throws(JSONError) {
    let first = offset
    while offset < count, case let digit = base[offset] &- 0x30, digit < 10 {
      digits.append(digit)
      offset += 1
    }
    guard offset > first else {
      throw isAtEnd ? failure(.unexpectedEnd) : failure(.invalidNumber, at: start)
    }
  }

  private mutating func exponentPart(start: Int) throws(JSONError) -> Int {
    let isNegative = skip(0x2D)
    if !isNegative { _ = skip(0x2B) }
    var digits = DecimalDigits()
    try require(digits: &digits, start: start)
    let value = digits.isExact ? Int(min(digits.mantissa, 100_000)) : 100_000
    return isNegative ? -value : value
  }

  /// The value of long or extreme numbers, by the C library.
  private func slowDouble(from start: Int) throws(JSONError) -> Double {
    let bytes = UnsafeBufferPointer(start: base + start, count: offset - start)
    guard bytes.count <= 4096, let value = Double(String(decoding: bytes, as: UTF8.self)),
      value.isFinite
    else { throw failure(.numberOutOfRange, at: start) }
    return value
  }
}

/// The first 19 significant digits of a decimal number.
private struct DecimalDigits {
  private(set) var mantissa: UInt64 = 0
  private var significant = 0
  /// Whether no digit was dropped.
  private(set) var isExact = true

  mutating func append(_ digit: UInt8) {
    guard significant < 19 else {
      isExact = false
      return
    }
    mantissa = mantissa &* 10 &+ UInt64(digit)
    if mantissa != 0 { significant += 1 }
  }

  func integer(isNegative: Bool) -> Int64? {
    guard isExact else { return nil }
    if isNegative { return mantissa <= 1 << 63 ? Int64(truncatingIfNeeded: 0 &- mantissa) : nil }
    return Int64(exactly: mantissa)
  }

  /// The value when one correctly rounded operation gives it: mantissa and power of ten are exact.
  func double(isNegative: Bool, exponent: Int) -> Double? {
    guard isExact, mantissa <= 1 << 53, exponent.magnitude <= 22 else { return nil }
    let power = powersOfTen[Int(exponent.magnitude)]
    let value = exponent < 0 ? Double(mantissa) / power : Double(mantissa) * power
    return isNegative ? -value : value
  }
}

private let powersOfTen: [Double] = [
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
  1e18, 1e19, 1e20, 1e21, 1e22,
]
