import ArgumentParser
import Autograd
import Checkpoints
import Foundation
import Support
import Transformer

/// `report`: the paper's figures, redrawn from our own runs.
struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Draw a study: one self-contained HTML page, and its numbers as JSON.",
    discussion: """
      EXAMPLES
        apus-pretrain report study --output report.html --numbers numbers.json
      """
  )

  @Argument(help: "The folder of a study.")
  var study: String
  @Option(name: .shortAndLong, help: ArgumentHelp("The page.", valueName: "file"))
  var output: String
  @Option(help: ArgumentHelp("The numbers.", valueName: "file"))
  var numbers: String?

  func run() throws {
    let study = try PlacementStudy(at: study)
    let results = try study.results()
    guard !results.isEmpty else {
      throw CommandFailure("\(self.study) has no finished cell; run 'study' first")
    }
    let page = StudyReport(
      plan: study.plan,
      results: results,
      unigramEntropy: try study.unigramEntropy()
    ).page()
    try AtomicFile.write(page.html(), to: output)
    if let numbers {
      try AtomicFile.write(try jsonText(StudySummary(study.plan, results)) + "\n", to: numbers)
    }
    try StandardStream.output.writeLine("\(output): \(results.count) runs")
  }
}

/// The figures and tables of a study.
struct StudyReport {
  let plan: PlacementStudy.Plan
  let results: [PlacementStudy.CellResult]
  /// Where a model ends that has learned the frequencies of tokens alone.
  let unigramEntropy: Double?
  private var summary: StudySummary { StudySummary(plan, results) }

  func page() -> ReportPage {
    let summary = summary
    var page = ReportPage(title: "Placement of norms: variance, gradients and loss by depth")
    page.add(paragraph: describe())
    page.add(heading: "Loss against learning rate")
    page.add(paragraph: "Mean over the seeds; the horizontal axis is log10 of the learning rate.")
    page.add(lossChart(summary))
    page.add(heading: "Results by variant and learning rate")
    page.add(
      table: ["variant", "learning rate"] + StudySummary.columns,
      rows: summary.rows
    )
    page.add(heading: "Divergence")
    page.add(
      paragraph: "A run has failed where its loss or a gradient was not finite, or its validation "
        + "loss ended within 5 % of the entropy of single tokens"
        + (unigramEntropy.map { ", \($0.fixed(3)) nats." } ?? ".")
    )
    page.add(table: ["variant"] + summary.learningRates.map { "\($0)" }, rows: failures(summary))
    page.add(heading: "At initialization")
    page.add(depthChart("variance of the stream", summary, nil) { $0.streams.map(\.variance) })
    page.add(
      depthChart("gradient norm of a block", summary, nil) { $0.blocks.compactMap(\.gradientNorm) }
    )
    for rate in summary.learningRates {
      page.add(heading: "After training at a learning rate of \(rate)")
      page.add(depthChart("variance of the stream", summary, rate) { $0.streams.map(\.variance) })
      page.add(depthChart("largest |x| of the stream", summary, rate) { $0.streams.map(\.maximum) })
      page.add(
        depthChart("largest |x| inside the feed-forward network", summary, rate) {
          $0.blocks.map(\.hiddenMaximum)
        }
      )
      page.add(
        depthChart("gradient norm of a block", summary, rate) {
          $0.blocks.compactMap(\.gradientNorm)
        }
      )
      page.add(curveChart("training loss", rate) { $0.losses })
      page.add(curveChart("gradient norm before clipping", rate) { $0.gradientNorms })
    }
    return page
  }

  private func describe() -> String {
    let (shape, options) = (plan.configuration, plan.options)
    return "\(results.count) runs: \(shape.blockCount) blocks of width \(shape.hiddenWidth), "
      + "\(results.first?.report.parameterCount.grouped ?? "") parameters, \(options.steps) steps "
      + "of \(options.batchSize) × \(options.length) tokens, warm-up of \(options.warmUpSteps), "
      + "AdamW (\(options.beta1), \(options.beta2)) with decay \(options.weightDecay) on matrices, "
      + "seeds \(plan.seeds.map(String.init).joined(separator: ", "))."
  }

  private func lossChart(_ summary: StudySummary) -> CurveChart {
    CurveChart(
      title: "validation loss (nats)",
      horizontal: "log10 of the learning rate",
      series: summary.variants.map { variant in
        CurveSeries(
          variant,
          summary.learningRates.map { rate in
            let losses = summary.group(variant, rate).compactMap(\.validationLoss)
            return .init(log10(Double(rate)), MeanAndDeviation(losses)?.mean ?? .nan)
          }
        )
      }
    )
  }

  /// Values by depth, mean over the seeds; at the start where no learning rate is given.
  private func depthChart(
    _ title: String,
    _ summary: StudySummary,
    _ rate: Float?,
    _ values: (StabilityReport) -> [Double]
  ) -> CurveChart {
    CurveChart(
      title: title,
      horizontal: "depth",
      scale: .logarithmic,
      series: summary.variants.map { variant in
        let cells =
          rate.map { summary.group(variant, $0) }
          ?? summary.cells.filter { $0.variant == variant }
        let reports = cells.compactMap { rate == nil ? $0.start : $0.end }.map(values)
        let depths = reports.map(\.count).min() ?? 0
        return CurveSeries(
          variant,
          (0..<depths).map { depth in
            .init(Double(depth), MeanAndDeviation(reports.map { $0[depth] })?.mean ?? .nan)
          }
        )
      }
    )
  }

  /// The curves of the first seed.
  private func curveChart(
    _ title: String,
    _ rate: Float,
    _ values: (PretrainingReport) -> [Double]
  ) -> CurveChart {
    let first = results.filter {
      $0.cell.learningRate == rate && $0.cell.seed == plan.seeds.first
    }
    return CurveChart(
      title: title + ", seed \(plan.seeds.first ?? 0)",
      scale: .logarithmic,
      smoothing: 0.8,
      series: first.map { result in
        CurveSeries(
          "\(result.cell.variant)",
          // Every fourth step: the page stays small, and smoothing hides the others anyway.
          values(result.report).enumerated().filter { $0.offset % 4 == 3 }
            .map { .init(Double($0.offset + 1), $0.element) }
        )
      }
    )
  }

  private func failures(_ summary: StudySummary) -> [[String]] {
    summary.variants.map { variant in
      [variant]
        + summary.learningRates.map { rate in
          let cells = summary.group(variant, rate)
          let limit = unigramEntropy.map { 0.95 * $0 } ?? .infinity
          let failed = cells.filter { $0.ending == .diverged || $0.validationLoss ?? 0 > limit }
          return cells.isEmpty ? "–" : "\(failed.count) of \(cells.count)"
        }
    }
  }
}
