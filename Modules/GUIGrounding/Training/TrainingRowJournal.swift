import Checkpoints
import Foundation

/// What became of each example of an export: `examples.jsonl`, whose first line says what is exported.
final class TrainingRowJournal {
  /// What decides the rows.
  struct Head: Codable, Equatable {
    var options: TrainingRowOptions
    var policy: String
    var examples: String
    var count: Int
  }

  /// One example.
  struct Entry: Codable {
    var example: Int
    /// Its rows as lines of JSON; none where the policy does not solve it.
    var rows: [String] = []
    /// Whether a response hit, without the reasoning that the layout needs.
    var isWithoutReasoning = false
  }

  /// The counts so far.
  private(set) var report = TrainingRowReport()
  private let folder: String
  private let head: Head
  private let file: GrowingFile
  private var rows: [String] = []

  /// Opens the journal of a folder, or begins it.
  ///
  /// - Throws: `GroundingTrainingError.otherOptions` for that of another export, `CheckpointError`.
  init(in folder: String, _ head: Head) throws {
    (self.folder, self.head) = (folder, head)
    try FileManager.default.createDirectory(
      atPath: folder + "/images",
      withIntermediateDirectories: true
    )
    let path = folder + "/examples.jsonl"
    file = try GrowingFile(path: path)
    report.isComplete = head.count == 0
    let lines = try file.wholeLines()
    guard let first = lines.first else {
      try file.append(try Self.line(head))
      return
    }
    let decoder = JSONDecoder()
    let found = try? decoder.decode(Head.self, from: Data(first))
    guard found == head else {
      throw GroundingTrainingError.otherOptions(
        path: path,
        difference: Self.difference(found, head)
      )
    }
    for (number, line) in lines.dropFirst().enumerated() {
      guard let entry = try? decoder.decode(Entry.self, from: Data(line)), entry.example == number
      else {
        throw CheckpointError.malformed(
          path: path,
          tensor: nil,
          offset: nil,
          reason: "line \(number + 2) is no entry of an export"
        )
      }
      count(entry)
    }
  }

  /// Adds an example; it is in the file when this returns.
  func append(_ entry: Entry) throws {
    try file.append(try Self.line(entry))
    count(entry)
  }

  /// Writes all rows so far.
  func writeRows() throws(CheckpointError) {
    let text = rows.map { $0 + "\n" }.joined()
    try AtomicFile.write(Array(text.utf8), to: folder + "/rows.jsonl")
  }

  private func count(_ entry: Entry) {
    rows += entry.rows
    report.tried += 1
    report.solved += entry.rows.isEmpty ? 0 : 1
    report.withoutReasoning += entry.isWithoutReasoning ? 1 : 0
    report.rows += entry.rows.count
    report.isComplete = report.tried == head.count
  }

  private static func line(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(value)) + [0x0A]
  }

  private static func difference(_ old: Head?, _ new: Head) -> String {
    guard let old else { return "it is no journal of an export" }
    if old.policy != new.policy { return "policy \(old.policy), now \(new.policy)" }
    if old.examples != new.examples || old.count != new.count {
      return "\(old.count) examples of \(old.examples), now \(new.count) of \(new.examples)"
    }
    return "options \(old.options), now \(new.options)"
  }
}
