import Checkpoints
import Foundation

/// One measured line.
struct ReportRow {
  /// What one side reached: the middle and the best of its repeats.
  struct Value {
    let median: Double
    let best: Double
  }

  let name: String
  let unit: String
  let isHigherBetter: Bool
  let ours: Value
  /// The name and the values of the better of the peer's variants; nil without a peer.
  var reference: (name: String, value: Value)?
  /// The part of the machine's limit that we reach.
  var share: Double?
  /// The part of the cores that other programs used meanwhile.
  var neighbours: Double?

  /// How many times better we are, whatever the direction of the unit.
  func ratio(_ part: KeyPath<Value, Double>) -> Double? {
    reference.map { reference in
      let (mine, other) = (ours[keyPath: part], reference.value[keyPath: part])
      return isHigherBetter ? mine / other : other / mine
    }
  }
}

/// Writes the rows as they come: a table for people on standard output, JSON lines for programs.
final class Report {
  private let json: FileHandle?

  /// A report that also writes to a file; an interrupted run leaves the rows that it has measured.
  init(jsonPath: String?) throws(BenchError) {
    guard let jsonPath else {
      json = nil
      return
    }
    guard FileManager.default.createFile(atPath: jsonPath, contents: nil),
      let file = FileHandle(forWritingAtPath: jsonPath)
    else { throw .unwritable(path: jsonPath) }
    json = file
  }

  /// A line of text for people; shown at once, for a run takes minutes.
  func say(_ text: String) {
    try? FileHandle.standardOutput.write(contentsOf: Data((text + "\n").utf8))
  }

  /// The head of a table.
  func startTable(_ title: String) {
    let cells = [
      title.leading(34), "median".trailing(10), "best".trailing(10), " " + "unit".leading(8),
      "limit".trailing(6), "ref median".trailing(12), "ref best".trailing(10),
      "ratio".trailing(7), "best".trailing(7), "  reference",
    ]
    say("\n" + cells.joined())
  }

  /// One line of the table, and two of JSON: of the medians and of the best repeats.
  func add(_ row: ReportRow, suite: String) throws {
    let reference = row.reference
    let cells = [
      row.name.leading(34), significant(row.ours.median).trailing(10),
      significant(row.ours.best).trailing(10), " " + row.unit.leading(8),
      (row.share.map { "\(Int(($0 * 100).rounded()))%" } ?? "").trailing(6),
      (reference.map { significant($0.value.median) } ?? "–").trailing(12),
      (reference.map { significant($0.value.best) } ?? "–").trailing(10),
      (row.ratio(\.median).map { String(format: "%.2f", $0) } ?? "–").trailing(7),
      (row.ratio(\.best).map { String(format: "%.2f", $0) } ?? "–").trailing(7),
      "  " + (reference?.name ?? "–").leading(24), disturbance(row),
    ]
    say(cells.joined())
    guard let json else { return }
    let lines =
      line(row, suite: suite, name: row.name, part: \.median)
      + line(row, suite: suite, name: row.name + ", best", part: \.best)
    try json.write(contentsOf: Data(lines.utf8))
  }

  private func disturbance(_ row: ReportRow) -> String {
    guard let share = row.neighbours, share > Neighbours.tolerance else { return "" }
    return "others used \(Int((share * 100).rounded()))% of the cores"
  }

  private func line(
    _ row: ReportRow,
    suite: String,
    name: String,
    part: KeyPath<ReportRow.Value, Double>
  ) -> String {
    let line: JSONObject = [
      "suite": .string(suite),
      "case": .string(name),
      "value": number(row.ours[keyPath: part]),
      "unit": .string(row.unit),
      "reference": row.reference.map { .string($0.name) } ?? .null,
      "reference_value": row.reference.map { number($0.value[keyPath: part]) } ?? .null,
      "ratio": row.ratio(part).map(number) ?? .null,
    ]
    return JSONValue.object(line).serialized() + "\n"
  }

  private func number(_ value: Double) -> JSONValue {
    value.isFinite ? .number(value) : .null
  }
}

/// The number with four significant digits and no power of ten.
func significant(_ value: Double) -> String {
  guard value.isFinite else { return "–" }
  let digits = value == 0 ? 0 : Int(log10(abs(value)).rounded(.down))
  return String(format: "%.\(min(max(3 - digits, 0), 6))f", value)
}

extension String {
  /// The text at the left of a column.
  func leading(_ width: Int) -> String {
    self + String(repeating: " ", count: max(width - count, 1))
  }

  /// The text at the right of a column.
  func trailing(_ width: Int) -> String {
    String(repeating: " ", count: max(width - count, 1)) + self
  }
}
