#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A text that was read from a file and found to be one.
public struct TextFile {
  /// The file.
  public let path: String
  /// What it holds.
  public let text: String

  /// Reads a UTF-8 file.
  ///
  /// - Parameters:
  ///   - path: the file; a pipe will do.
  ///   - characters: how much of it is used; nil takes all.
  /// - Throws: `CommandFailure` if it cannot be read, is empty or not UTF-8.
  public init(path: String, characters: Int? = nil) throws(CommandFailure) {
    let bytes = try Self.bytes(path)
    guard let whole = String(validating: bytes, as: UTF8.self) else {
      throw CommandFailure(
        "text \(path) is not UTF-8 (byte \(Self.firstInvalidByte(bytes))); convert it, for "
          + "example with iconv"
      )
    }
    let text = whole.hasPrefix("\u{FEFF}") ? String(whole.dropFirst()) : whole
    guard text.contains(where: { !$0.isWhitespace }) else {
      throw CommandFailure("text \(path) is empty; choose a file with text in it")
    }
    self.path = path
    self.text = characters.map { String(text.prefix($0)) } ?? text
  }

  private static func bytes(_ path: String) throws(CommandFailure) -> [UInt8] {
    let file = try TextBytes(path)
    var bytes: [UInt8] = []
    while true {
      let more = try file.next(1 << 20)
      if more.isEmpty { return bytes }
      bytes += more
    }
  }

  static func firstInvalidByte(_ bytes: [UInt8]) -> Int {
    let repaired = String(decoding: bytes, as: UTF8.self).utf8
    return zip(bytes, repaired).enumerated().first { $1.0 != $1.1 }?.offset ?? bytes.count
  }
}

/// The bytes of a file or a pipe, in order.
struct TextBytes: ~Copyable {
  private let path: String
  private let descriptor: Int32

  init(_ path: String) throws(CommandFailure) {
    descriptor = open(path, O_RDONLY | O_CLOEXEC)
    self.path = path
    guard descriptor >= 0 else {
      throw CommandFailure("cannot read the text \(path): \(systemMessage(errno))")
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else {
      throw CommandFailure("text \(path) is a folder; choose a file")
    }
  }

  deinit { close(descriptor) }

  /// The next bytes, `count` of them unless the end comes first; none at the end.
  func next(_ count: Int) throws(CommandFailure) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let more = bytes.withUnsafeMutableBytes { buffer in
        read(descriptor, buffer.baseAddress.map { $0 + done }, count - done)
      }
      if more < 0 && errno == EINTR { continue }
      guard more >= 0 else {
        throw CommandFailure("cannot read the text \(path): \(systemMessage(errno))")
      }
      if more == 0 { break }
      done += more
    }
    return Array(bytes[..<done])
  }
}
