import Checkpoints

/// A page with the curves of one or several runs: one chart for each metric, and tables of where
/// they ended.
///
///     let runs = try ["a", "b"].map { try CurveReport.Run(name: $0, log: "\($0)/log.jsonl") }
///     var report = CurveReport(title: "Two learning rates", runs: runs)
///     report.logarithmic = ["loss"]
///     try report.write(to: "report.html")
///
/// The page is one HTML file without scripts and links; it follows the reader's light or dark
/// colours. The same runs give the same bytes.
public struct CurveReport: Sendable {
  /// A run: its name and what it logged.
  public struct Run: Sendable {
    /// The name, for legends and tables.
    public var name: String
    /// The records in the order of their steps.
    public var records: [RunRecord]

    /// A run from its records.
    public init(name: String, records: [RunRecord]) {
      (self.name, self.records) = (name, records)
    }

    /// A run from its log.
    ///
    /// - Throws: What `RunLog.read(_:)` throws.
    public init(name: String, log path: String) throws(RunLogError) {
      self.init(name: name, records: try RunLog.read(path))
    }

    /// The curve of a metric; records without it are left out.
    public func series(of metric: String, over axis: Horizontal = .step) -> CurveSeries {
      let points = records.compactMap { record in
        record.metrics[metric].map { value in
          CurveSeries.Point(axis == .step ? Double(record.step) : record.seconds, value)
        }
      }
      return CurveSeries(name, points)
    }
  }

  /// What the horizontal axis counts.
  public enum Horizontal: String, Hashable, Sendable, Codable {
    /// Steps.
    case step
    /// Seconds of training.
    case seconds
  }

  /// The heading.
  public var title: String
  /// The runs, in the order of legends and tables.
  public var runs: [Run]
  /// The metrics to show, in order; nil shows all by name.
  public var metrics: [String]?
  /// The metrics that are shown on a logarithmic axis.
  public var logarithmic: Set<String> = []
  /// What the horizontal axis counts.
  public var horizontal: Horizontal = .step
  /// How strongly curves are smoothed, in [0, 1).
  public var smoothing = 0.0

  /// A report of runs.
  public init(title: String, runs: [Run]) {
    self.title = title
    self.runs = runs
  }

  /// The chart of a metric.
  public func chart(of metric: String) -> CurveChart {
    CurveChart(
      title: metric,
      horizontal: horizontal.rawValue,
      scale: logarithmic.contains(metric) ? .logarithmic : .linear,
      smoothing: smoothing,
      series: runs.map { $0.series(of: metric, over: horizontal) }
    )
  }

  /// The page.
  public func html() -> String {
    var parts: [String] = []
    for metric in shownMetrics { parts.append("<figure>\n\(chart(of: metric).svg())</figure>") }
    parts += finalTable() + runTable()
    return ReportPage(title: title, body: parts).html()
  }

  /// Writes the page to a file, which appears complete or not at all.
  ///
  /// - Throws: `RunLogError.file`.
  public func write(to path: String) throws(RunLogError) {
    do throws(CheckpointError) { try AtomicFile.write(html(), to: path) } catch {
      throw .file(error)
    }
  }

  private var shownMetrics: [String] {
    metrics
      ?? Set(runs.flatMap { $0.records.flatMap(\.metrics.keys) }).sorted {
        $0.utf8.lexicographicallyPrecedes($1.utf8)
      }
  }

  // MARK: - Tables

  /// One row for each metric of each run: the last value, the lowest and the highest.
  private func finalTable() -> [String] {
    var rows: [[String]] = []
    for metric in shownMetrics {
      for run in runs {
        let points = run.series(of: metric).points
        guard let last = points.last else { continue }
        let finite = points.filter { $0.y.isFinite }
        rows.append([
          metric, run.name, last.y.readable,
          finite.min { $0.y < $1.y }.map(Self.valueAtStep) ?? "—",
          finite.max { $0.y < $1.y }.map(Self.valueAtStep) ?? "—", "\(points.count)",
        ])
      }
    }
    let headings = ["metric", "run", "final", "lowest", "highest", "records"]
    return table("Final values", headings, rows, textColumns: 2)
  }

  private static func valueAtStep(_ point: CurveSeries.Point) -> String {
    "\(point.y.readable) at \(Int(point.x))"
  }

  /// One row for each run: how long it took, and its memory.
  private func runTable() -> [String] {
    let rows = runs.map { run -> [String] in
      guard let last = run.records.last else { return [run.name, "0", "—", "—", "—"] }
      let peak = run.records.map(\.memory.peakTensorBytes).max() ?? 0
      let resident = run.records.compactMap(\.memory.residentBytes).max()
      return [
        run.name, "\(last.step)", last.seconds.text(.fixed, digits: 1) + " s", megabytes(peak),
        resident.map(megabytes) ?? "—",
      ]
    }
    let headings = ["run", "steps", "time", "tensors, peak", "process, most"]
    return table("Runs", headings, rows, textColumns: 1)
  }

  private func megabytes(_ bytes: Int) -> String {
    (Double(bytes) / 1e6).text(.fixed, digits: 1) + " MB"
  }

  private func table(
    _ heading: String,
    _ headings: [String],
    _ rows: [[String]],
    textColumns: Int
  ) -> [String] {
    guard !rows.isEmpty else { return [] }
    func row(_ cells: [String], _ tag: String) -> String {
      let elements = cells.enumerated().map { index, cell in
        let kind = index < textColumns ? "" : " class=\"number\""
        return "<\(tag)\(kind)>\(cell.escapedForMarkup)</\(tag)>"
      }
      return "<tr>\(elements.joined())</tr>"
    }
    return ["<h2>\(heading)</h2>", "<div class=\"wide\"><table>"]
      + ["<thead>\(row(headings, "th"))</thead>", "<tbody>"] + rows.map { row($0, "td") }
      + ["</tbody>", "</table></div>"]
  }
}
