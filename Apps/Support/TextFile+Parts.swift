#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

extension TextFile {
  /// Reads a UTF-8 file part by part, for texts that need not be in memory at once.
  ///
  /// - Parameters:
  ///   - path: the file; a pipe will do.
  ///   - byteCount: the bytes of a part, about.
  ///   - body: takes the parts in order, each of whole characters of Unicode.
  /// - Throws: `CommandFailure` if it cannot be read, is empty or not UTF-8; what `body` throws.
  public static func forEachPart(
    of path: String,
    byteCount: Int = 1 << 20,
    _ body: (String) throws -> Void
  ) throws {
    let file = try TextBytes(path)
    var (rest, offset, hasInk) = ([UInt8](), 0, false)
    while true {
      let bytes = try file.next(byteCount)
      let joined = rest + bytes
      let count = bytes.isEmpty ? joined.count : joined.count - incompleteTail(joined)
      let part = joined.prefix(count)
      guard var text = String(validating: part, as: UTF8.self) else {
        throw CommandFailure(
          "text \(path) is not UTF-8 (byte \(offset + firstInvalidByte(Array(part)))); convert it, "
            + "for example with iconv"
        )
      }
      if offset == 0, text.hasPrefix("\u{FEFF}") { text.removeFirst() }
      hasInk = hasInk || text.contains { !$0.isWhitespace }
      if !text.isEmpty { try body(text) }
      (rest, offset) = (Array(joined.suffix(joined.count - count)), offset + count)
      if bytes.isEmpty { break }
    }
    guard hasInk else {
      throw CommandFailure("text \(path) is empty; choose a file with text in it")
    }
  }

  /// The bytes of all files together, of those that have a size.
  public static func byteCount(of paths: [String]) -> Int {
    paths.reduce(0) { sum, path in
      var status = stat()
      return stat(path, &status) == 0 ? sum + Int(status.st_size) : sum
    }
  }

  /// The bytes at the end that begin a character and do not end it.
  private static func incompleteTail(_ bytes: [UInt8]) -> Int {
    for (back, byte) in bytes.suffix(3).reversed().enumerated() {
      if byte & 0xC0 == 0x80 { continue }
      let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
      return length > back + 1 ? back + 1 : 0
    }
    return 0
  }
}
