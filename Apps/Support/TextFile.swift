import Foundation

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

  private static func bytes(_ path: String) throws(CommandFailure) -> Data {
    let file = try opened(path)
    do { return try file.readToEnd() ?? Data() } catch {
      throw CommandFailure("cannot read the text \(path): \(error.localizedDescription)")
    }
  }

  /// The file at `path`, open for reading.
  static func opened(_ path: String) throws(CommandFailure) -> FileHandle {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else {
      throw CommandFailure("cannot read the text \(path): \(systemMessage(errno))")
    }
    let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else {
      throw CommandFailure("text \(path) is a folder; choose a file")
    }
    return file
  }

  static func firstInvalidByte(_ bytes: Data) -> Int {
    let repaired = String(decoding: bytes, as: UTF8.self).utf8
    return zip(bytes, repaired).enumerated().first { $1.0 != $1.1 }?.offset ?? bytes.count
  }
}
