import Checkpoints
import Foundation
import Support

/// A file of JSON lines that grows as work is done: what is in it need not be done again.
///
/// A last line that was not written to its end is dropped when the file is opened.
final class LineJournal<Line: Codable> {
  /// What was in the file, and what has been added.
  private(set) var lines: [Line] = []
  private let file: GrowingFile
  private let encoder = JSONEncoder()

  /// Opens a journal, or begins it.
  ///
  /// - Throws: `CheckpointError`, also while another process has it; `CommandFailure` for a file that is
  ///   no such journal.
  init(at path: String) throws {
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity",
      negativeInfinity: "-Infinity",
      nan: "NaN"
    )
    file = try GrowingFile(path: path)
    let complete = Self.complete(Data(try file.bytes()))
    lines = try Self.read(complete, path)
    try file.truncate(to: complete.count)
  }

  /// The lines of a journal that is not written to.
  static func lines(of path: String) throws -> [Line] {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw CommandFailure("cannot read \(path.printable)")
    }
    return try read(complete(data), path)
  }

  /// What was written to the end of a line.
  private static func complete(_ data: Data) -> Data {
    data.lastIndex(of: 0x0A).map { data[...$0] } ?? Data()
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
    try file.append(try encoder.encode(line) + [0x0A])
    lines.append(line)
  }
}
