/// What the split patterns ask about a Unicode scalar: `\p{L}`, `\p{N}`, `\s` or none of them.
enum ScalarClass: UInt8 {
  case other
  case letter
  case number
  case whitespace

  /// The class of a scalar value.
  ///
  /// ASCII is decided by comparisons, the rest by the general category of the standard library.
  @inline(__always)
  init(_ value: UInt32) {
    if value < 0x80 {
      self = ScalarClass.ascii(UInt8(truncatingIfNeeded: value))
    } else {
      self = ScalarClass.nonASCII(value)
    }
  }

  @inline(__always)
  private static func ascii(_ byte: UInt8) -> ScalarClass {
    if (byte | 0x20) &- 0x61 < 26 { return .letter }
    if byte &- 0x30 < 10 { return .number }
    return byte == 0x20 || byte &- 9 < 5 ? .whitespace : .other
  }

  @inline(never)
  private static func nonASCII(_ value: UInt32) -> ScalarClass {
    if isWhitespace(value) { return .whitespace }
    guard let scalar = Unicode.Scalar(value) else { return .other }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
      return .letter
    case .decimalNumber, .letterNumber, .otherNumber:
      return .number
    default:
      return .other
    }
  }

  /// Whether the scalar has the Unicode property White_Space (a closed list since Unicode 6.3).
  static func isWhitespace(_ value: UInt32) -> Bool {
    switch value {
    case 9...13, 0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000:
      true
    default:
      false
    }
  }
}

/// UTF-8 text that is read scalar by scalar.
///
/// Everything in the tokenizers that walks over text walks over this. Bytes that are no UTF-8
/// (impossible for texts that began as `String`) count as scalars of one byte, so that nothing
/// reads outside the buffer.
typealias UTF8Text = UnsafeBufferPointer<UInt8>

extension UTF8Text {
  /// The scalar that starts at `index` and its length in bytes; `end` bounds the reading.
  @inline(__always)
  func scalar(at index: Int, end: Int) -> (value: UInt32, length: Int) {
    let first = self[index]
    if first < 0x80 { return (UInt32(first), 1) }
    return longScalar(at: index, end: end)
  }

  @inline(never)
  private func longScalar(at index: Int, end: Int) -> (value: UInt32, length: Int) {
    let first = UInt32(self[index])
    let length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1
    guard length > 1, index + length <= end else { return (first, 1) }
    var value = first & (0x7F >> UInt32(length))
    for offset in 1..<length {
      value = value << 6 | UInt32(self[index + offset] & 0x3F)
    }
    return (value, length)
  }

  /// The class of the scalar at `index` and its length in bytes.
  @inline(__always)
  func scalarClass(at index: Int, end: Int) -> (kind: ScalarClass, length: Int) {
    let (value, length) = scalar(at: index, end: end)
    return (ScalarClass(value), length)
  }

  /// The end of the run of scalars of class `kind` that starts at `index`.
  @inline(__always)
  func endOfRun(of kind: ScalarClass, from index: Int, end: Int) -> Int {
    var position = index
    while position < end {
      let (next, length) = scalarClass(at: position, end: end)
      if next != kind { break }
      position += length
    }
    return position
  }

  /// The start of the scalar that ends just before `index`.
  @inline(__always)
  func startOfScalar(before index: Int, start: Int) -> Int {
    var position = index - 1
    while position > start, self[position] & 0xC0 == 0x80 { position -= 1 }
    return position
  }
}

extension [UInt8] {
  /// Appends the UTF-8 form of `scalar`.
  mutating func append(_ scalar: Unicode.Scalar) {
    for unit in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { append(unit) }
  }

  /// The scalars of these bytes, read as UTF-8 with replacement characters.
  var scalars: String.UnicodeScalarView { String(decoding: self, as: UTF8.self).unicodeScalars }
}
