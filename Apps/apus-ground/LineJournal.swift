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
    lines = try Self.read(try file.wholeLines().map { Data($0) }, path)
  }

  /// The lines of a journal that is not written to.
  static func lines(of path: String) throws -> [Line] {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw CommandFailure("cannot read \(path.printable)")
    }
    // Another process may be writing the last one.
    let whole = data.lastIndex(of: 0x0A).map { data[...$0] } ?? Data()
    return try read(whole.split(separator: 0x0A), path)
  }

  private static func read(_ lines: [Data], _ path: String) throws -> [Line] {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "Infinity",
      negativeInfinity: "-Infinity",
      nan: "NaN"
    )
    return try lines.enumerated().map { index, line in
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
