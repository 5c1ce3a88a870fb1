/// The printable alphabet in which byte-level vocabularies are written.
///
/// Bytes 33–126, 161–172 and 174–255 stand for themselves as code points; the other 68 become 256,
/// 257, … in order. A space is `Ġ`, a line feed `Ċ`.
enum ByteAlphabet {
  private static let isPrintable: [Bool] = (0..<256).map { byte in
    33...126 ~= byte || 161...172 ~= byte || 174...255 ~= byte
  }

  /// The code point of each byte.
  static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 256
    return (UInt32(0)..<256).map { byte in
      if isPrintable[Int(byte)] { return Unicode.Scalar(UInt8(byte)) }
      defer { next += 1 }
      return Unicode.Scalar(next) ?? " "
    }
  }()

  /// The byte of each code point up to 323, −1 for those outside the alphabet.
  private static let bytes: [Int16] = {
    var bytes = [Int16](repeating: -1, count: 324)
    for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = Int16(byte) }
    return bytes
  }()

  /// The bytes that a token spells, nil when a character lies outside the alphabet.
  static func decoded(_ token: UTF8Text) -> [UInt8]? {
    var output: [UInt8] = []
    output.reserveCapacity(token.count)
    var index = 0
    while index < token.count {
      let (value, length) = token.scalar(at: index, end: token.count)
      guard value < 324, bytes[Int(value)] >= 0 else { return nil }
      output.append(UInt8(truncatingIfNeeded: bytes[Int(value)]))
      index += length
    }
    return output
  }

  /// The token that spells these bytes.
  static func encoded(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    var output: [UInt8] = []
    for byte in bytes { output.append(scalars[Int(byte)]) }
    return output
  }
}
