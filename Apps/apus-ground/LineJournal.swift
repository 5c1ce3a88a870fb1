import Foundation
import Support

/// A file of JSON lines that grows as work is done: what is in it need not be done again.
///
/// A last line that was not written to its end is dropped when the file is opened.
final class LineJournal<Line: Codable> {
  /// What was in the file, and what has been added.
  private(set) var lines: [Line] = []
  private let path: String
  private let file: FileHandle
  private let encoder = JSONEncoder()

  /// Opens a journal, or begins it.
  ///
  /// - Throws: `CommandFailure` for a file that is no such journal.
  init(at path: String) throws {
    self.path = path
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity",
      negativeInfinity: "-Infinity",
      nan: "NaN"
    )
    if !FileManager.default.fileExists(atPath: path) {
      guard FileManager.default.createFile(atPath: path, contents: nil) else {
        throw CommandFailure("cannot write \(path.printable)")
      }
    }
    do {
      file = try FileHandle(forUpdating: URL(filePath: path))
    } catch {
      throw CommandFailure("cannot write \(path.printable): \(error.localizedDescription)")
    }
    let data = try file.readToEnd() ?? Data()
    let complete = data.lastIndex(of: 0x0A).map { data[...$0] } ?? Data()
    lines = try Self.read(complete, path)
    try file.truncate(atOffset: UInt64(complete.count))
    try file.seekToEnd()
  }

  deinit { try? file.close() }

  /// The lines of a journal that is not written to.
  static func lines(of path: String) throws -> [Line] {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw CommandFailure("cannot read \(path.printable)")
    }
    return try read(data.lastIndex(of: 0x0A).map { data[...$0] } ?? Data(), path)
  }

  private static func read(_ data: Data, _ path: String) throws -> [Line] {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "Infinity",
      negativeInfinity: "-Infinity",
      nan: "NaN"
    )
    return try data.split(separator: 0x0A).enumerated().map { index, line in
      do { return try decoder.decode(Line.self, from: line) } catch {
        throw CommandFailure(
          "\(path.printable), line \(index + 1): damaged; remove the line to have it done again"
        )
      }
    }
  }

  /// Adds a line; it is in the file when this returns.
  func append(_ line: Line) throws {
    var data = try encoder.encode(line)
    data.append(0x0A)
    do { try file.write(contentsOf: data) } catch {
      throw CommandFailure("cannot write \(path.printable): \(error.localizedDescription)")
    }
    lines.append(line)
  }
}
