import Autograd
import Checkpoints
import Foundation
import ModelSupport
import Quantization
import Support

/// What became of a model and of every layer in it, as JSON or as a page with charts.
struct ModelReport: Encodable {
  var summary: QuantizationSummary
  var blocks: [BlockReport]

  init(_ summary: QuantizationSummary, blocks: [BlockReport]) {
    (self.summary, self.blocks) = (summary, blocks)
  }

  /// Writes the report, as JSON to a name that ends in .json, else as a page; the file appears complete or not at all.
  func write(to path: String) throws {
    let text = path.hasSuffix(".json") ? try jsonText(self) + "\n" : page().html()
    try AtomicFile.write(text, to: path)
  }

  /// The page.
  func page() -> ReportPage {
    var page = ReportPage(title: "\(summary.output): \(summary.method)")
    let table = summary.table
    page.add(table: table.columns.map(\.title), rows: table.rows)
    let charts = BlockCharts(blocks)
    if !blocks.isEmpty {
      page.add(heading: "By depth")
      page.add(
        paragraph:
          "States: the squared error behind each block, of the quantized model against the "
          + "original one, over the mean square of the original states. Weights and outputs: each "
          + "layer for itself, on the inputs that the method saw."
      )
      for chart in charts.byDepth { page.add(chart) }
      page.add(heading: "Where codes moved")
      page.add(
        paragraph: "Steps between the code of the method and that of round-to-nearest, against the "
          + "size of the weight in units of its layer's root mean square. FlexRound's division lets "
          + "large weights move further."
      )
      for chart in charts.movement { page.add(chart) }
      page.add(heading: "Weights before and after")
      for chart in charts.histograms { page.add(chart) }
    }
    page.add(heading: "Layers")
    let rows = layerTable
    page.add(table: rows.columns.map(\.title), rows: rows.rows)
    return page
  }

  /// Every layer with its numbers.
  private var layerTable: Table {
    var table = Table([
      "layer", "scheme", .number("bytes"), .number("relative error"),
      .number("output error"), .number("moved"), .number("by 2 or more"), .number("step sizes"),
      .number("seconds"),
    ])
    let details = blocks.flatMap(\.layers)
    for layer in summary.layers {
      let detail = details.first { $0.name == layer.name }
      func percent(_ share: Double?) -> String {
        share.map { "\((100 * $0).fixed(3))%" } ?? ""
      }
      let steps = detail.map { "\($0.stepSizes.minimum) … \($0.stepSizes.maximum)" }
      table.add(
        layer.name,
        detail?.scheme.text ?? "\(layer.bits) bits",
        byteCount(layer.bytes),
        percent(layer.relativeError.value),
        percent(detail?.relativeOutputError),
        percent(detail?.movement.movedShare),
        percent(detail?.movement.farShare),
        steps ?? "",
        detail?.seconds.fixed(2) ?? ""
      )
    }
    return table
  }
}

/// The charts of a model's blocks.
private struct BlockCharts {
  let blocks: [BlockReport]

  init(_ blocks: [BlockReport]) { self.blocks = blocks }

  /// The kinds of layers by the end of their names: `self_attn.q_proj`.
  private var kinds: [String] {
    var kinds: [String] = []
    for layer in blocks.flatMap(\.layers) {
      let kind = Self.kind(layer.name)
      if !kinds.contains(kind) { kinds.append(kind) }
    }
    return kinds
  }

  private static func kind(_ name: String) -> String {
    name.split(separator: ".").last.map(String.init) ?? name
  }

  private func curves(_ value: (BlockReport.Layer) -> Double?) -> [CurveSeries] {
    kinds.compactMap { kind in
      let points = blocks.compactMap { block -> CurveSeries.Point? in
        guard let layer = block.layers.first(where: { Self.kind($0.name) == kind }),
          let value = value(layer)
        else { return nil }
        return CurveSeries.Point(Double(block.block), value)
      }
      return points.isEmpty ? nil : CurveSeries(kind, points)
    }
  }

  var byDepth: [CurveChart] {
    func chart(_ title: String, _ series: [CurveSeries]) -> CurveChart? {
      guard series.contains(where: { !$0.points.isEmpty }) else { return nil }
      return CurveChart(title: title, horizontal: "block", scale: .logarithmic, series: series)
    }
    func states(_ name: String, _ value: (BlockReport) -> Double?) -> CurveSeries {
      CurveSeries(
        name,
        blocks.compactMap { block in
          value(block).map { CurveSeries.Point(Double(block.block), $0) }
        }
      )
    }
    return [
      chart("relative error of the states", [states("behind the block") { $0.relativeError }]),
      chart(
        "error of a block on the samples that judge",
        [
          states("round-to-nearest") { $0.reconstruction?.startError },
          states("learned") { $0.reconstruction?.error },
        ]
      ),
      chart("relative error of the weights", curves { $0.relativeError }),
      chart("relative error of the outputs", curves { $0.relativeOutputError }),
      chart("mean step size", curves { Double($0.stepSizes.mean) }),
    ].compactMap { $0 }
  }

  /// Every point a dot: what is not finite breaks a curve.
  private static func dots(_ name: String, _ points: [CurveSeries.Point]) -> CurveSeries {
    CurveSeries(name, points.flatMap { [$0, CurveSeries.Point(.nan, .nan)] })
  }

  private static let magnitudeBin = 0.5

  var movement: [CurveChart] {
    let points = blocks.flatMap(\.layers).flatMap(\.movement.sample)
    guard !points.isEmpty else { return [] }
    var bins: [Int: (count: Int, steps: Double, scales: Double)] = [:]
    for point in points {
      let bin = Int(Double(point.magnitude) / Self.magnitudeBin)
      bins[bin, default: (0, 0, 0)].count += 1
      bins[bin, default: (0, 0, 0)].steps += Double(abs(point.steps))
      bins[bin, default: (0, 0, 0)].scales += Double(abs(point.logScale ?? 0))
    }
    func means(
      _ name: String,
      _ value: ((count: Int, steps: Double, scales: Double)) -> Double
    )
      -> CurveSeries
    {
      CurveSeries(
        name,
        bins.sorted { $0.key < $1.key }.map { bin, sums in
          CurveSeries.Point((Double(bin) + 0.5) * Self.magnitudeBin, value(sums))
        }
      )
    }
    let shown = stride(from: 0, to: points.count, by: max(1, points.count / 3000)).map {
      points[$0]
    }
    var charts = [
      CurveChart(
        title: "steps that a code moved",
        horizontal: "|w| / rms",
        series: [
          Self.dots(
            "a weight",
            shown.map { CurveSeries.Point(Double($0.magnitude), Double($0.steps)) }
          ),
          means("mean size of the move") { $0.steps / Double($0.count) },
        ]
      )
    ]
    if points.contains(where: { $0.logScale != nil }) {
      charts.append(
        CurveChart(
          title: "log of the learned scale",
          horizontal: "|w| / rms",
          series: [
            Self.dots(
              "a weight",
              shown.map { CurveSeries.Point(Double($0.magnitude), Double($0.logScale ?? 0)) }
            ),
            means("mean size") { $0.scales / Double($0.count) },
          ]
        )
      )
    }
    return charts
  }

  /// The first layer, the one with the largest error, and the last one.
  var histograms: [CurveChart] {
    let layers = blocks.flatMap(\.layers)
    let worst = layers.max { $0.relativeError < $1.relativeError }
    var names: Set<String> = []
    let chosen = [layers.first, worst, layers.last].compactMap { $0 }.filter {
      names.insert($0.name).inserted
    }
    return chosen.map { layer in
      func curve(_ name: String, _ counts: [Int]) -> CurveSeries {
        let edge = Double(layer.movement.histogramEdge)
        let width = 2 * edge / Double(max(counts.count, 1))
        return CurveSeries(
          name,
          counts.enumerated().map { bin, count in
            CurveSeries.Point(-edge + (Double(bin) + 0.5) * width, Double(count))
          }
        )
      }
      return CurveChart(
        title: layer.name,
        horizontal: "weight",
        series: [
          curve("before", layer.movement.histogram),
          curve("after", layer.movement.roundedHistogram),
        ]
      )
    }
  }
}
