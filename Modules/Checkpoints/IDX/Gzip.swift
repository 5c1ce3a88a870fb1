import Tensor

/// Decompression of a gzip file of one member.
///
/// - Source: RFC 1952 (gzip), RFC 1951 (deflate).
/// - Complexity: one pass; the largest output is 1032 times the input, which the file must announce.
enum Gzip {
  /// Whether bytes begin as gzip does.
  static func isCompressed(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.count >= 2 && bytes[0] == 0x1F && bytes[1] == 0x8B
  }

  /// What the compressed bytes of a file hold; checked by length and CRC-32.
  static func decompress(
    _ bytes: UnsafeRawBufferPointer,
    path: String
  ) throws(CheckpointError) -> Tensor<UInt8> {
    let start = try headerEnd(bytes, path)
    guard bytes.count >= start + 8 else { throw cutOff(path, bytes.count) }
    let trailer = bytes.count - 8
    let size = Int(word(bytes, at: trailer + 4))
    guard size <= (trailer - start) * 1032 + 1032 else {
      throw .malformed(path, at: trailer, "gzip announces \(size) bytes, more than it can hold")
    }
    let body = UnsafeRawBufferPointer(rebasing: bytes[start..<trailer])
    var failure: CheckpointError?
    let content = Tensor<UInt8>(uninitialized: [size]) { output in
      output.initialize(repeating: 0)
      var decoder = DeflateDecoder(input: body, output: output)
      do throws(DeflateDecoder.Damage) {
        try decoder.run()
        if crc32(UnsafeRawBufferPointer(output)) != word(bytes, at: trailer) {
          failure = .malformed(path, at: trailer, "the gzip checksum does not match")
        }
      } catch {
        failure = .malformed(path, at: start + decoder.position, error.reason)
      }
    }
    if let failure { throw failure }
    return content
  }

  private static func cutOff(_ path: String, _ count: Int) -> CheckpointError {
    .malformed(path, at: count, "the gzip data is cut off")
  }

  /// Where the compressed data begins.
  private static func headerEnd(
    _ bytes: UnsafeRawBufferPointer,
    _ path: String
  ) throws(CheckpointError) -> Int {
    guard bytes.count >= 10 else { throw cutOff(path, bytes.count) }
    guard bytes[2] == 8 else {
      throw .malformed(path, at: 2, "gzip method \(bytes[2]) is unknown; 8 is deflate")
    }
    let flags = bytes[3]
    var place = 10
    if flags & 4 != 0 {
      guard place + 2 <= bytes.count else { throw cutOff(path, bytes.count) }
      place += 2 + Int(bytes[place]) + Int(bytes[place + 1]) << 8
    }
    // A name and a comment, each ended by a zero.
    for flag in [UInt8(8), 16] where flags & flag != 0 {
      while place < bytes.count, bytes[place] != 0 { place += 1 }
      place += 1
    }
    if flags & 2 != 0 { place += 2 }
    guard place <= bytes.count else { throw cutOff(path, bytes.count) }
    return place
  }

  private static func word(_ bytes: UnsafeRawBufferPointer, at place: Int) -> UInt32 {
    UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self))
  }

  /// The check sum of gzip and ZIP.
  static func crc32(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    var sum = ~UInt32(0)
    for byte in bytes { sum = table[Int(UInt8(truncatingIfNeeded: sum) ^ byte)] ^ sum >> 8 }
    return ~sum
  }

  /// The CRC of each byte, with the reversed polynomial 0xEDB88320.
  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { sum, _ in sum & 1 == 0 ? sum >> 1 : 0xEDB8_8320 ^ sum >> 1 }
  }
}
