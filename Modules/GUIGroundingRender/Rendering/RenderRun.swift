import Checkpoints
import Foundation
import GUIGrounding

/// The folder of a run: its settings, its journal, and what is made of them in the end.
final class RenderRun {
  /// The folder.
  let folder: String
  /// Pictures of this run.
  private(set) var shotCount = 0
  /// Rows of this run.
  private(set) var rowCount = 0
  private let journal: RenderJournal

  /// Begins a run, or goes on with it; pages whose pictures are gone are to be rendered again.
  ///
  /// - Throws: `RenderError`.
  init(settings: RenderSettings, folder: String) throws(RenderError) {
    self.folder = folder
    let images = folder + "/images"
    // A folder that cannot be made shows when the first file is written.
    try? FileManager.default.createDirectory(atPath: images, withIntermediateDirectories: true)
    journal = try RenderJournal(path: folder + "/journal.jsonl") { record in
      record.shots.allSatisfy { FileManager.default.fileExists(atPath: folder + "/" + $0.image) }
    }
    FolderRemoval.removeLeftovers(in: images) { $0.hasSuffix(".png") }
    try compare(settings)
  }

  /// A folder keeps the settings that it was begun with.
  private func compare(_ settings: RenderSettings) throws(RenderError) {
    let path = folder + "/settings.json"
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let now: JSONValue
    do {
      now = try JSONValue.parse(try encoder.encode(settings))
    } catch {
      throw .settings("they cannot be written: \(error)")
    }
    guard FileManager.default.fileExists(atPath: path) else {
      try filing { () throws(CheckpointError) in try now.write(to: path) }
      return
    }
    let old = try filing { () throws(CheckpointError) in try JSONValue.read(path) }
    if let difference = old.firstDifference(to: now) {
      throw .otherSettings(folder: folder, difference: difference)
    }
  }

  /// Whether a page has been rendered, or has failed.
  func isFinished(_ set: PageSet, _ page: String) -> Bool {
    journal.holds(set.name + "\n" + page)
  }

  /// Notes a page.
  ///
  /// - Throws: `RenderError.file`.
  func append(_ record: PageRecord) throws(RenderError) {
    try journal.append(record)
    shotCount += record.shots.count
    rowCount += record.shots.map(\.rows.count).reduce(0, +)
  }

  /// Writes the rows of all finished pages, in the order of the sets, and the report.
  ///
  /// - Throws: `RenderError.file`.
  @discardableResult
  func finish(_ sets: [PageSet]) throws(RenderError) -> RenderReport {
    try journal.synchronize()
    let places = sets.flatMap { set in set.pages.map { set.name + "\n" + $0 } }.enumerated()
    let order = Dictionary(places.map { ($0.element, $0.offset) }) { first, _ in first }
    var summary = RenderSummary()
    let path = folder + "/elements.jsonl"
    let file = try filing { () throws(CheckpointError) in try AtomicFile(path: path) }
    try journal.forEach(orderedBy: order) { record throws(RenderError) in
      summary.add(record)
      try filing { () throws(CheckpointError) in
        for row in record.shots.flatMap(\.rows) { try file.append(line: row) }
      }
    }
    try filing(file.commit)
    let report = summary.report
    try write(report)
    return report
  }

  private func write(_ report: RenderReport) throws(RenderError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    guard let data = try? encoder.encode(report) else { return }
    try filing { () throws(CheckpointError) in
      try AtomicFile.write(data, to: folder + "/report.json")
    }
  }
}

extension AtomicFile {
  fileprivate func append(line value: JSONValue) throws(CheckpointError) {
    var bytes = value.serializedBytes()
    bytes.append(0x0A)
    let outcome = bytes.withUnsafeBytes { bytes in
      Result<Void, CheckpointError> { () throws(CheckpointError) in try append(bytes) }
    }
    try outcome.get()
  }
}
