import Support

extension StudyTable {
  static let policyColumns = [
    "policy", "seeds", "greedy", "sampled", "vote", "2 calls", "full", "form", "crop holds target",
    "training CPU-s", "greedy, against", "full, against",
  ]

  /// The row that another one is compared with.
  private func neighbour(of row: StudyRow) -> StudyRow? {
    let other: StudyRow? =
      switch row {
      case .warm: nil
      case .rl, .consistencyOnly: .warm
      case .consistency, .sft: .rl
      case .globalOnly: .consistency
      }
    return other.flatMap { rows.contains($0) ? $0 : nil }
  }

  /// One row a policy.
  var policyRows: [[String]] {
    rows.map { row in
      let seeds = cells(of: row).map { "\($0.seed)" }.joined(separator: ", ")
      let training = MeanAndDeviation(cells(of: row).map(\.trainingSeconds))
      func text(_ mean: MeanAndDeviation?, _ digits: Int = 3) -> String {
        mean?.text(digits) ?? "—"
      }
      func against(_ column: Column) -> String {
        guard let other = neighbour(of: row),
          let text = pValues((other, column), (row, column))
        else { return "—" }
        return "\(other.rawValue): \(text)"
      }
      return [
        row.title, seeds, text(share(row, \.greedy)), text(mean(row, \.sampled)),
        text(share(row, \.vote)), text(share(row, \.twoCalls)), text(share(row, \.full)),
        text(mean(row, \.form)), text(share(row, \.cropHolds)), text(training, 1),
        against(Self.greedy), against(Self.full),
      ]
    }
  }

  static let searchColumns = [
    "search", "accuracy", "calls per item", "CPU-s per item", "against the row above",
  ]

  /// One row a way to search, on one policy.
  func searchRows(_ row: StudyRow) -> [[String]] {
    var rows: [[String]] = []
    var above: Column?
    for column in searches() {
      guard let accuracy = share(row, column.isHit) else { continue }
      rows.append([
        column.name, accuracy.text(3), mean(row, column.calls)?.text(1) ?? "—",
        mean(row, column.seconds)?.text(4) ?? "—",
        above.flatMap { pValues((row, $0), (row, column)) } ?? "—",
      ])
      above = column
    }
    return rows
  }

  /// All tables; rows that did not run are not in them.
  var markdown: String {
    var text = "## Policies\n\n"
    text += EvaluationReport.markdown(Self.policyColumns, policyRows)
    text += "\n\(plan.testPages.grouped) pages, mean ± deviation over seeds. The last columns: "
    text += "pages that only the other row gets right : only this one, and the p of McNemar's "
    text += "test, seed by seed.\n"
    for row in rows {
      text += "\n## Search: \(row.title)\n\n"
      text += EvaluationReport.markdown(Self.searchColumns, searchRows(row))
    }
    return text
  }
}

/// `study.json`.
struct StudyDocument: Encodable {
  struct Row: Encodable {
    var name: String
    var seeds: [UInt64]
    var greedy: MeanAndDeviation?
    var sampled: MeanAndDeviation?
    var trainingSeconds: MeanAndDeviation?
    var searches: [String: MeanAndDeviation]
  }

  var plan: StudyPlan
  var rows: [Row]

  init(_ table: StudyTable) {
    plan = table.plan
    rows = table.rows.map { row in
      let cells = table.cells(of: row)
      let searches = table.searches().compactMap { column in
        table.share(row, column.isHit).map { (column.name, $0) }
      }
      return Row(
        name: row.rawValue,
        seeds: cells.map(\.seed),
        greedy: table.share(row, \.greedy),
        sampled: table.mean(row, \.sampled),
        trainingSeconds: MeanAndDeviation(cells.map(\.trainingSeconds)),
        searches: Dictionary(searches) { first, _ in first }
      )
    }
  }
}
