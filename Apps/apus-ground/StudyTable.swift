import Foundation
import GUIGrounding
import Support

/// A row of a study, measured for one seed.
struct StudyCell {
  var row: StudyRow
  var seed: UInt64
  var lines: [StudyLine]
  var trainingSeconds: Double
}

/// What a study has found so far.
struct StudyTable {
  let plan: StudyPlan
  let cells: [StudyCell]

  /// A way to answer, and how its hits are read from a line.
  struct Column {
    var name: String
    var calls: (StudyLine) -> Double
    var seconds: (StudyLine) -> Double?
    var isHit: (StudyLine) -> Bool?
  }

  static var greedy: Column {
    Column(name: "greedy", calls: { _ in 1 }, seconds: \.greedySeconds, isHit: \.greedy)
  }
  static var full: Column {
    Column(
      name: "two stages, mode",
      calls: { Double($0.fullCalls) },
      seconds: \.fullSeconds,
      isHit: \.full
    )
  }

  /// The ways to answer, each compared with the one above it.
  func searches() -> [Column] {
    let votes = Double(plan.samples)
    func vote(_ name: String, _ isHit: @escaping (StudyLine) -> Bool?) -> Column {
      Column(name: name, calls: { _ in votes }, seconds: \.voteSeconds, isHit: isHit)
    }
    func full(_ name: String, _ isHit: @escaping (StudyLine) -> Bool?) -> Column {
      Column(name: name, calls: { Double($0.fullCalls) }, seconds: \.fullSeconds, isHit: isHit)
    }
    return [
      Self.greedy,
      Column(
        name: "greedy, crop, greedy",
        calls: { _ in 2 },
        seconds: \.twoCallSeconds,
        isHit: \.twoCalls
      ),
      vote("one stage, mean", \.voteMean), vote("one stage, median", \.voteMedian),
      vote("one stage, mode", \.vote),
      full("two stages, mean", \.fullMean), full("two stages, median", \.fullMedian), Self.full,
    ]
  }

  var rows: [StudyRow] { StudyRow.allCases.filter { row in cells.contains { $0.row == row } } }

  func cells(of row: StudyRow) -> [StudyCell] {
    cells.filter { $0.row == row }.sorted { $0.seed < $1.seed }
  }

  /// The mean of a value over a cell's lines, seed by seed; nil where no line has it.
  func mean(_ row: StudyRow, _ value: (StudyLine) -> Double?) -> MeanAndDeviation? {
    MeanAndDeviation(
      cells(of: row).compactMap { MeanAndDeviation($0.lines.compactMap(value))?.mean }
    )
  }

  func share(_ row: StudyRow, _ isHit: (StudyLine) -> Bool?) -> MeanAndDeviation? {
    mean(row) { line in isHit(line).map { $0 ? 1 : 0 } }
  }

  /// McNemar's test of two rows or two ways, seed by seed; nil where one of them is missing.
  func pValues(
    _ first: (row: StudyRow, column: Column),
    _ second: (row: StudyRow, column: Column)
  ) -> String? {
    var texts: [String] = []
    for cell in cells(of: first.row) {
      guard let other = cells(of: second.row).first(where: { $0.seed == cell.seed }) else {
        continue
      }
      let pairs = zip(cell.lines, other.lines).compactMap { left, right -> (Bool, Bool)? in
        guard left.page == right.page, let a = first.column.isHit(left),
          let b = second.column.isHit(right)
        else { return nil }
        return (a, b)
      }
      guard !pairs.isEmpty else { continue }
      let test = McNemarTest(
        bothCorrect: pairs.count { $0.0 && $0.1 },
        onlyFirst: pairs.count { $0.0 && !$0.1 },
        onlySecond: pairs.count { !$0.0 && $0.1 },
        bothWrong: pairs.count { !$0.0 && !$0.1 }
      )
      texts.append("\(test.onlyFirst):\(test.onlySecond) \(test.pValue.short)")
    }
    return texts.isEmpty ? nil : texts.joined(separator: ", ")
  }
}
