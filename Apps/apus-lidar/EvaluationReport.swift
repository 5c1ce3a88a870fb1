import Autograd
import PointCloud
import Support

/// What `eval` measured.
struct EvaluationReport: Encodable {
  var sets: [Column]
  var rows: [Row] = []

  /// A set of scans.
  struct Column: Encodable {
    var name: String
    var sensor: String
    var mountHeight: Double
    var scans: Int
  }

  /// Models of one name.
  struct Row: Encodable {
    var name: String
    var models: [Model] = []
    /// For each set, and of the targets' harmonic mean.
    var summary: [Summary] = []
  }

  /// A model on all sets.
  struct Model: Encodable {
    var path: String
    var parameterCount: Int
    var sensor: String?
    var classNames: [String]
    var results: [Result] = []
    /// The harmonic mean over the targets; nil without any.
    var harmonicMean: Means?
  }

  /// A model on a set.
  struct Result: Encodable {
    var set: String
    /// Whether the set is of another sensor than the model was trained on.
    var isTarget: Bool
    var means: Means
    var accuracy: Double
    var points: Int
    /// Of the classes without the background; nil for one that is nowhere.
    var intersectionsOverUnions: [Double?]
  }

  /// A mean IoU by both conventions.
  struct Means: Encodable {
    /// With absent classes as 0.
    var zero: Double
    /// Without absent classes.
    var leftOut: Double

    subscript(absent: AbsentClasses) -> Double {
      switch absent {
      case .zero: zero
      case .leftOut: leftOut
      }
    }
  }

  /// What the models of a row come to.
  struct Summary: Encodable {
    /// The set; nil for the harmonic mean over the targets.
    var set: String?
    var mean: Means
    /// The sample standard deviation; nil of one model.
    var deviation: Means?
  }

  init(_ columns: [EvaluationSet]) {
    sets = columns.map {
      Column(
        name: $0.name,
        sensor: $0.sensor.name,
        mountHeight: $0.sensor.mountHeight,
        scans: $0.count
      )
    }
  }

  /// Adds what a model has done on a set.
  mutating func add(
    _ confusion: SegmentationConfusion,
    of network: PointSegmenter,
    path: String,
    row name: String,
    on column: EvaluationSet
  ) {
    let row = index(of: name)
    if !rows[row].models.contains(where: { $0.path == path }) {
      rows[row].models.append(
        Model(
          path: path,
          parameterCount: network.parameterCount.total,
          sensor: network.sensor?.name,
          classNames: Array(network.configuration.classNames.dropFirst())
        )
      )
    }
    guard let model = rows[row].models.firstIndex(where: { $0.path == path }) else { return }
    rows[row].models[model].results.append(
      Result(
        set: column.name,
        isTarget: column.sensor != network.sensor,
        means: Means(
          zero: confusion.meanIntersectionOverUnion(absent: .zero),
          leftOut: confusion.meanIntersectionOverUnion(absent: .leftOut)
        ),
        accuracy: confusion.accuracy,
        points: confusion.pointCount,
        intersectionsOverUnions: confusion.intersectionsOverUnions
      )
    )
  }

  private mutating func index(of name: String) -> Int {
    if let place = rows.firstIndex(where: { $0.name == name }) { return place }
    rows.append(Row(name: name))
    return rows.count - 1
  }

  /// Computes what follows from the results.
  mutating func finish() {
    for row in rows.indices {
      for model in rows[row].models.indices {
        let targets = rows[row].models[model].results.filter(\.isTarget).map(\.means)
        guard !targets.isEmpty else { continue }
        rows[row].models[model].harmonicMean = Means(
          zero: SegmentationConfusion.harmonicMean(targets.map(\.zero)),
          leftOut: SegmentationConfusion.harmonicMean(targets.map(\.leftOut))
        )
      }
      let models = rows[row].models
      rows[row].summary = sets.indices.compactMap { set in
        Summary(sets[set].name, models.map { $0.results[set].means })
      }
      if let harmonic = Summary(nil, models.compactMap(\.harmonicMean)) {
        rows[row].summary.append(harmonic)
      }
    }
  }
}

extension EvaluationReport.Summary {
  /// The summary of a row's models; nil of none.
  fileprivate init?(_ set: String?, _ values: [EvaluationReport.Means]) {
    guard let zero = MeanAndDeviation(values.map(\.zero)),
      let leftOut = MeanAndDeviation(values.map(\.leftOut))
    else { return nil }
    self.set = set
    mean = .init(zero: zero.mean, leftOut: leftOut.mean)
    if let zero = zero.deviation, let leftOut = leftOut.deviation {
      deviation = .init(zero: zero, leftOut: leftOut)
    }
  }
}

/// The report for people.
struct EvaluationTable {
  private let report: EvaluationReport
  private let absent: AbsentClasses

  init(_ report: EvaluationReport, absent: AbsentClasses) {
    (self.report, self.absent) = (report, absent)
  }

  /// Rows: names; columns: sets.
  var table: Table {
    let columns = report.sets.map { Table.Column.number($0.name) }
    var table = Table(
      ["model", .number("runs"), .number("parameters")] + columns + [.number("targets")]
    )
    for row in report.rows {
      let cells = report.sets.map { set in cell(row.summary.first { $0.set == set.name }) }
      let harmonic = cell(row.summary.first { $0.set == nil })
      let parameters = shortCount(row.models.first?.parameterCount ?? 0)
      table.add([row.name, "\(row.models.count)", parameters] + cells + [harmonic])
    }
    return table
  }

  private func cell(_ summary: EvaluationReport.Summary?) -> String {
    guard let summary else { return "—" }
    let mean = (100 * summary.mean[absent]).fixed(1)
    guard let deviation = summary.deviation else { return mean }
    return "\(mean) ± \((100 * deviation[absent]).fixed(1))"
  }

  /// What the numbers are.
  var legend: String {
    let convention =
      switch absent {
      case .zero: "classes that are nowhere count as 0"
      case .leftOut: "classes that are nowhere are left out"
      }
    let counts = Set(report.sets.map(\.scans)).sorted().map { $0.counted("scan") }
    return "mIoU in percent, \(convention); \(counts.joined(separator: " or ")) a column; "
      + "targets: the harmonic mean over other sensors than the model's own"
  }

  /// The IoU of each class, a table for each row.
  var classTables: [(title: String, table: Table)] {
    report.rows.map { row in
      let names = row.models.first?.classNames ?? []
      var table = Table(["class"] + report.sets.map { .number($0.name) })
      for (index, name) in names.enumerated() {
        let cells = report.sets.indices.map { set in
          let values = row.models.compactMap { $0.results[set].intersectionsOverUnions[index] }
          return values.isEmpty
            ? "—" : (100 * values.reduce(0, +) / Double(values.count)).fixed(1)
        }
        table.add([name] + cells)
      }
      return (row.name, table)
    }
  }

  /// The tables as Markdown.
  func markdown(perClass: Bool) -> String {
    var parts = [table.markdown, legend]
    if perClass { for item in classTables { parts += ["## " + item.title, item.table.markdown] } }
    return parts.joined(separator: "\n\n") + "\n"
  }
}
