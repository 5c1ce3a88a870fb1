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
      let training = SeedMean(values: cells(of: row).map(\.trainingSeconds))
      func against(_ column: Column) -> String {
        guard let other = neighbour(of: row),
          let text = pValues((other, column), (row, column))
        else { return "—" }
        return "\(other.rawValue): \(text)"
      }
      return [
        row.title, seeds, share(row, \.greedy).text(3), mean(row, \.sampled).text(3),
        share(row, \.vote).text(3), share(row, \.twoCalls).text(3), share(row, \.full).text(3),
        mean(row, \.form).text(3), share(row, \.cropHolds).text(3), training.text(1),
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
      let accuracy = share(row, column.isHit)
      guard !accuracy.values.isEmpty else { continue }
      rows.append([
        column.name, accuracy.text(3), mean(row, column.calls).text(1),
        mean(row, column.seconds).text(4),
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
    var greedy: SeedMean
    var sampled: SeedMean
    var trainingSeconds: SeedMean
    var searches: [String: SeedMean]
  }

  var plan: StudyPlan
  var rows: [Row]

  init(_ table: StudyTable) {
    plan = table.plan
    rows = table.rows.map { row in
      let cells = table.cells(of: row)
      let searches = table.searches().map { ($0.name, table.share(row, $0.isHit)) }
      return Row(
        name: row.rawValue,
        seeds: cells.map(\.seed),
        greedy: table.share(row, \.greedy),
        sampled: table.mean(row, \.sampled),
        trainingSeconds: SeedMean(values: cells.map(\.trainingSeconds)),
        searches: Dictionary(searches.filter { !$0.1.values.isEmpty }) { first, _ in first }
      )
    }
  }
}
