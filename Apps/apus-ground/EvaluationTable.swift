import GUIGrounding
import Support

/// What a method came to.
struct MethodReport: Encodable {
  var method: String
  var metrics: GroundingMetrics
  var cpuSecondsPerItem: Double

  init(_ method: String, _ lines: [EvaluationLine]) {
    self.method = method
    metrics = GroundingMetrics(lines.map(\.outcome))
    let sum = lines.reduce(0) { $0 + $1.cpuSeconds }
    cpuSecondsPerItem = sum / Double(max(lines.count, 1))
  }
}

/// Whether one of two methods, or one of two policies, is better on the same items.
struct ComparisonReport: Encodable {
  var first: String
  var second: String
  var test: McNemarTest
  var pValue: Double

  init(_ first: String, _ second: String, _ test: McNemarTest) {
    (self.first, self.second, self.test) = (first, second, test)
    pValue = test.pValue
  }
}

/// What `eval` writes.
struct EvaluationReport: Encodable {
  var policy: String
  var data: String
  var methods: [MethodReport]
  var comparisons: [ComparisonReport]

  var table: Table {
    Table(
      [
        "method", .number("items"), .number("right"), .number("95 %"), .number("no place"),
        .number("failed"), .number("calls"), .number("requests"), .number("tokens"),
        .number("time"), .number("CPU"),
      ],
      rows: rows
    )
  }

  static let columns = [
    "method", "items", "right", "95 % interval", "no place", "failed", "calls per item",
    "requests", "tokens", "wall time", "CPU time",
  ]

  var rows: [[String]] {
    methods.map { report in
      let metrics = report.metrics
      let count = metrics.overall.all
      let interval = count.interval
      return [
        report.method, count.count.grouped, (100 * count.accuracy).fixed(1) + " %",
        "\((100 * interval.lower).fixed(1))–\((100 * interval.upper).fixed(1))",
        metrics.wrongFormatCount.grouped, metrics.failureCount.grouped,
        metrics.callsPerItem.fixed(2), metrics.requestsPerItem.fixed(2),
        metrics.tokensPerItem.fixed(1), durationText(metrics.secondsPerItem),
        report.cpuSecondsPerItem > 0 ? durationText(report.cpuSecondsPerItem) : "—",
      ]
    }
  }

  var comparisonTable: Table {
    Table(
      ["first", "second", .number("only first"), .number("only second"), .number("p")],
      rows: comparisonRows
    )
  }

  static let comparisonColumns = ["first", "second", "only first right", "only second right", "p"]

  var comparisonRows: [[String]] {
    comparisons.map {
      [
        $0.first, $0.second, $0.test.onlyFirst.grouped, $0.test.onlySecond.grouped,
        $0.pValue.short + ($0.test.isExact ? " (exact)" : ""),
      ]
    }
  }

  var markdown: String {
    var text = "# \(policy) on \(data)\n\n"
    text += Self.markdown(Self.columns, rows)
    if !comparisons.isEmpty {
      text += "\nMcNemar's test:\n\n" + Self.markdown(Self.comparisonColumns, comparisonRows)
    }
    for report in methods { text += "\n## \(report.method)\n\n" + report.metrics.markdown }
    return text
  }

  static func markdown(_ columns: [String], _ rows: [[String]]) -> String {
    Table(columns.map { Table.Column(stringLiteral: $0) }, rows: rows).markdown + "\n"
  }
}
