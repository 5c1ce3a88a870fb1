import Novelty
import Support

/// A report as one table of Markdown: AUROC by method, score and class.
struct EvaluationTable {
  private let report: NoveltyReport
  private let names: [String: String]
  private let classes: [Int32]

  init(_ report: NoveltyReport, names: [String: String]) {
    self.report = report
    self.names = names
    classes = Set(report.results.map(\.label)).sorted()
  }

  var markdown: String {
    let numbers = ["AUROC", "AP", "FPR at 95 % TPR"] + classes.map { names["\($0)"] ?? "\($0)" }
    var table = Table(["method", "score"] + numbers.map { .number($0) })
    for method in report.methods {
      for score in scores(of: method) { table.add(row(method, score)) }
    }
    return caption + "\n\n" + table.markdown
  }

  private var caption: String {
    let setting = report.evaluation.setting
    let seeds = Set(report.results.map(\.seed)).count
    return (setting == .oneClass ? "One class normal" : "One class novel")
      + ", \(report.evaluation.split.rawValue) split, \(seeds.counted("seed")), means over classes; "
      + "then AUROC by class, mean over seeds (± deviation)"
  }

  private func scores(of method: String) -> [String] {
    let own = report.results.first { $0.method == method }?.metrics.keys.map { $0 } ?? []
    let order = NoveltyScore.allCases.map(\.rawValue)
    func rank(_ score: String) -> (Int, String) { (order.firstIndex(of: score) ?? 99, score) }
    return own.sorted { rank($0) < rank($1) }
  }

  private func row(_ method: String, _ score: String) -> [String] {
    let own = report.results.filter { $0.method == method }
    func mean(_ path: KeyPath<NoveltyMetrics, Double>) -> String {
      MeanAndDeviation(own.compactMap { $0.metrics[score]?[keyPath: path] })?.mean.fixed(3) ?? "—"
    }
    let means = [\NoveltyMetrics.auroc, \.averagePrecision, \.falsePositiveRateAt95].map(mean)
    let spreads = classes.map { label in
      let areas = own.filter { $0.label == label }.compactMap { $0.metrics[score]?.auroc }
      return MeanAndDeviation(areas)?.text(3) ?? "—"
    }
    return [method, score] + means + spreads
  }
}
