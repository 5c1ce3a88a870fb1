import Checkpoints

/// Numbers written as text, in rows: what follows the header of an `ascii` PCD or PLY file.
struct TextNumbers {
  private let bytes: UnsafeRawBufferPointer
  private let path: String
  /// The line of the next byte, from 1.
  private var line: Int
  private var offset: Int

  /// The text from a byte on, which begins a line.
  init(_ file: MappedFile, from offset: Int, line: Int) {
    (bytes, path) = (file.bytes, file.path)
    (self.offset, self.line) = (offset, line)
  }

  /// The bytes that are left.
  var remainingByteCount: Int { bytes.count - offset }

  /// Goes to the next line that is not blank.
  mutating func beginRow() {
    while offset < bytes.count, isBlank(bytes[offset]) || bytes[offset] == 0x0A {
      if bytes[offset] == 0x0A { line += 1 }
      offset += 1
    }
  }

  /// The next number of the line.
  mutating func next() throws(PointFileError) -> Double {
    while offset < bytes.count, isBlank(bytes[offset]) { offset += 1 }
    let start = offset
    while offset < bytes.count, !isBlank(bytes[offset]), bytes[offset] != 0x0A { offset += 1 }
    guard start < offset else {
      throw fault(offset == bytes.count ? "the text ends too early" : "the line ends too early")
    }
    if let number = parsedNumber(bytes[start..<offset]) { return number }
    let text = String(decoding: bytes[start..<min(offset, start + 100)], as: UTF8.self)
    throw fault("\(text.quotedForMessage) is no number")
  }

  /// Expects that nothing follows on the line.
  mutating func endRow() throws(PointFileError) {
    while offset < bytes.count, isBlank(bytes[offset]) { offset += 1 }
    guard offset == bytes.count || bytes[offset] == 0x0A else {
      throw fault("the line has more numbers than the header declares")
    }
  }

  func fault(_ reason: String) -> PointFileError {
    .malformed(path: path, place: .line(line), reason: reason)
  }
}

@inline(__always)
private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }

/// Powers of ten that a Double holds exactly.
private let exactPowers: [Double] = (0...22).map { exponent in
  (0..<exponent).reduce(1.0) { power, _ in power * 10 }
}

/// The number that a text stands for, correctly rounded; nil if it is none.
///
/// Up to 15 digits and 22 decimals need one exact division; the rest goes to the library.
private func parsedNumber(_ text: Slice<UnsafeRawBufferPointer>) -> Double? {
  var (mantissa, digits, decimals) = (0, 0, 0)
  var hasPoint = false
  for byte in text.first == 0x2D ? text.dropFirst() : text {
    if byte == 0x2E, !hasPoint {
      hasPoint = true
    } else if (0x30...0x39).contains(byte), digits < 15 {
      mantissa = mantissa * 10 + Int(byte - 0x30)
      digits += 1
      if hasPoint { decimals += 1 }
    } else {
      return libraryNumber(text)
    }
  }
  guard digits > 0 else { return nil }
  let number = Double(mantissa) / exactPowers[decimals]
  return text.first == 0x2D ? -number : number
}

private func libraryNumber(_ text: Slice<UnsafeRawBufferPointer>) -> Double? {
  guard text.count <= 400 else { return nil }
  return Double(String(decoding: text, as: UTF8.self))
}
