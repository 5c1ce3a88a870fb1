import Autograd
import Foundation
import GUIGrounding
import Support

/// The page of an evaluation: a table, comparisons, accuracies by attribute, and drawn items.
struct GroundPage {
  private let settings: EvaluationSettings
  private(set) var page: ReportPage

  init(_ settings: EvaluationSettings, _ methods: [(name: String, lines: [EvaluationLine])]) {
    self.settings = settings
    page = ReportPage(title: "\(settings.policyName) on \(settings.data.text)")
    let comparisons = zip(methods, methods.dropFirst()).compactMap { first, second in
      let test = try? McNemarTest(first.lines.map(\.outcome), second.lines.map(\.outcome))
      return test.map { ComparisonReport(first.name, second.name, $0) }
    }
    let report = EvaluationReport(
      policy: settings.policyName,
      data: settings.data.text,
      methods: methods.map { MethodReport($0.name, $0.lines) },
      comparisons: comparisons
    )
    page.add(table: EvaluationReport.columns, rows: report.rows)
    if !comparisons.isEmpty {
      page.add(heading: "Comparisons (McNemar)")
      page.add(table: EvaluationReport.comparisonColumns, rows: report.comparisonRows)
    }
    for method in report.methods { add(method) }
    addSettings()
  }

  private mutating func add(_ report: MethodReport) {
    let metrics = report.metrics
    page.add(heading: "By attribute: \(report.method)")
    var rows: [[String]] = []
    for (title, cells) in [
      ("platform", metrics.byPlatform), ("group", metrics.byGroup),
      ("application", metrics.byApplication), ("kind", metrics.byKind), ("rank", metrics.byRank),
    ] {
      for (name, cell) in cells.sorted(by: { $0.key < $1.key }) {
        rows.append([title, name] + Self.cells(cell.all))
      }
    }
    for (type, cell) in metrics.overall.byType.sorted(by: { $0.key < $1.key }) {
      rows.append(["type", type] + Self.cells(cell))
    }
    for decile in metrics.areaDeciles {
      let (smallest, largest) = (100 * decile.smallest, 100 * decile.largest)
      let range = "\(smallest.short)–\(largest.short) % of the picture"
      rows.append(["area", range] + Self.cells(decile.accuracy))
    }
    page.add(table: ["attribute", "value", "items", "right", "95 % interval"], rows: rows)
    guard metrics.stages.count > 1 else { return }
    page.add(
      table: ["stage", "reached", "shows the target", "right after it"],
      rows: metrics.stages.enumerated().map { index, stage in
        [
          "\(index + 1)", stage.reached.grouped, (100 * stage.heldShare).fixed(1) + " %",
          (100 * stage.accuracy.accuracy).fixed(1) + " %",
        ]
      }
    )
  }

  private static func cells(_ count: AccuracyCount) -> [String] {
    let interval = count.interval
    return [
      count.count.grouped, (100 * count.accuracy).fixed(1) + " %",
      "\((100 * interval.lower).fixed(1))–\((100 * interval.upper).fixed(1))",
    ]
  }

  private mutating func addSettings() {
    let search = settings.search
    page.add(heading: "Search of the drawn method")
    page.add(
      table: ["setting", "value"],
      rows: [
        ["stages", "\(search.stages)"], ["responses of a stage", "\(search.samplesPerStage)"],
        ["temperature", "\(search.sampling.temperature)"], ["crop", "\(search.crop)"],
        ["shortest side of a crop", "\(search.minimumCropSide)"],
        ["bandwidth", "\(search.bandwidth)"], ["aggregation", search.aggregation.rawValue],
        ["seed", search.sampling.seed.map { "\($0)" } ?? "—"],
      ]
    )
  }

  /// Draws items with what the search did.
  mutating func add(
    _ lines: [EvaluationLine],
    method: String,
    longestSide: Int
  ) throws {
    guard !lines.isEmpty else { return }
    let source = try settings.data.load(keepsFailures: true)
    let items = Dictionary(source.items().map { ($0.id, $0) }) { first, _ in first }
    page.add(heading: "Items, \(method)")
    for line in lines {
      guard let item = items[line.outcome.id], let search = line.search else { continue }
      let verdict = line.outcome.isHit ? "hit" : line.outcome.isWrongFormat ? "no place" : "miss"
      page.add(paragraph: "\(item.id): \(item.instruction): \(verdict)")
      let drawing = ItemDrawing(item: item, search: search, image: try source.image(item))
      page.body.append(try drawing.markup(longestSide: longestSide))
    }
  }
}
