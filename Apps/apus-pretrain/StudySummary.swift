import Foundation
import Support
import Transformer

/// A study without its curves: what is committed beside a report.
struct StudySummary: Codable {
  /// The model, and how it is trained, where cells do not say otherwise.
  struct Settings: Codable {
    var model: TransformerConfiguration
    var training: PretrainingOptions
  }

  struct Cell: Codable {
    var variant: String
    var learningRate: Float
    var seed: UInt64
    var ending: PretrainingReport.Ending
    var validationLoss: Double?
    var spikes: Int
    var largestGradientNorm: Double
    var outputNormScale: Double?
    var seconds: Double
    var start: StabilityReport?
    var end: StabilityReport?
  }

  var settings: Settings
  var cells: [Cell]

  init(_ plan: PlacementStudy.Plan, _ results: [PlacementStudy.CellResult]) {
    settings = Settings(model: plan.configuration, training: plan.options)
    cells = results.map { result in
      let report = result.report
      return Cell(
        variant: "\(result.cell.variant)",
        learningRate: result.cell.learningRate,
        seed: result.cell.seed,
        ending: report.ending,
        validationLoss: report.validationLoss?.rounded6,
        spikes: report.spikes.count,
        largestGradientNorm: report.largestGradientNorm.rounded6,
        outputNormScale: report.outputNormScale?.rounded6,
        seconds: report.seconds.rounded6,
        start: report.probes.first { $0.step == 0 }?.report.rounded6,
        end: report.ending == .finished ? report.probes.last?.report.rounded6 : nil
      )
    }
  }

  /// The cells of a variant and a learning rate over all seeds.
  func group(_ variant: String, _ rate: Float) -> [Cell] {
    cells.filter { $0.variant == variant && $0.learningRate == rate }
  }

  /// One row for each variant and learning rate: means over the seeds.
  var table: Table {
    Table(["variant", .number("learning rate")] + Self.columns.map { .number($0) }, rows: rows)
  }

  static let columns = [
    "seeds", "validation loss", "±", "last variance", "largest", "spikes", "gradient norm",
  ]

  var rows: [[String]] {
    func short(_ value: Double?) -> String { value?.short ?? "—" }
    var rows: [[String]] = []
    for variant in variants {
      for rate in learningRates {
        let cells = group(variant, rate)
        guard !cells.isEmpty else { continue }
        let losses = MeanAndDeviation(cells.compactMap(\.validationLoss))
        let variances = MeanAndDeviation(cells.compactMap { $0.end?.streams.last?.variance })
        let largest = cells.compactMap { $0.end?.largestActivation }.max()
        let spikes = cells.reduce(0) { $0 + $1.spikes }
        rows.append([
          variant, "\(rate)", "\(cells.count)", short(losses?.mean), short(losses?.deviation),
          short(variances?.mean), largest?.short ?? "–", "\(spikes)",
          (cells.map(\.largestGradientNorm).max() ?? 0).short,
        ])
      }
    }
    return rows
  }

  var variants: [String] { unique(cells.map(\.variant)) }
  var learningRates: [Float] { unique(cells.map(\.learningRate)).sorted() }

  private func unique<Value: Hashable>(_ values: [Value]) -> [Value] {
    var seen: Set<Value> = []
    return values.filter { seen.insert($0).inserted }
  }
}

extension Double {
  /// Six significant digits: what is left of a single-precision sum.
  fileprivate var rounded6: Double { Double(String(format: "%.6g", self)) ?? self }
}

extension StabilityReport {
  fileprivate var rounded6: StabilityReport {
    var report = self
    report.loss = loss.rounded6
    report.streams = streams.map {
      var stream = $0
      stream.variance = stream.variance.rounded6
      stream.maximum = stream.maximum.rounded6
      return stream
    }
    report.blocks = blocks.map {
      var block = $0
      block.attentionMaximum = block.attentionMaximum.rounded6
      block.hiddenMaximum = block.hiddenMaximum.rounded6
      block.feedForwardMaximum = block.feedForwardMaximum.rounded6
      block.gradientNorm = block.gradientNorm?.rounded6
      return block
    }
    return report
  }
}
