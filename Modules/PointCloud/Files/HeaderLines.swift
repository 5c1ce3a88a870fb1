/// The lines of a text header in front of binary data, one after another.
struct HeaderLines {
  private let bytes: UnsafeRawBufferPointer
  private let limit: Int
  /// The offset of the next line.
  private(set) var offset = 0
  /// The number of the line that `next` returned last, from 1.
  private(set) var number = 0

  /// The lines among the first `limit` bytes.
  init(_ bytes: UnsafeRawBufferPointer, limit: Int = 1 << 20) {
    self.bytes = bytes
    self.limit = min(limit, bytes.count)
  }

  /// The next line without its end (LF or CR LF) and the blanks in front; nil at the end or where
  /// the bytes are no text.
  mutating func next() -> String? {
    guard offset < limit else { return nil }
    var end = offset
    while end < limit, bytes[end] != 0x0A {
      let isText = bytes[end] >= 0x20 || bytes[end] == 0x09 || bytes[end] == 0x0D
      guard isText else { return nil }
      end += 1
    }
    guard end < limit || limit == bytes.count else { return nil }
    let line = bytes[offset..<end].map { $0 == 0x09 || $0 == 0x0D ? 0x20 : $0 }
    offset = min(end + 1, bytes.count)
    number += 1
    let text = String(decoding: line, as: UTF8.self)
    guard let first = text.firstIndex(where: { $0 != " " }) else { return "" }
    return String(text[first...])
  }
}
