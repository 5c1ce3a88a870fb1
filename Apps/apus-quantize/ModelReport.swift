import Autograd
import Checkpoints
import Foundation
import ModelSupport
import Quantization
import Support

/// What became of a model and of every layer in it, as JSON or as a page with charts.
struct ModelReport: Encodable {
  var summary: QuantizationSummary
  /// What methods that go through the blocks found.
  var blocks: [BlockReport]
  /// The layers that were rounded by themselves.
  var layers: [QuantizationReport.Layer]

  init(_ summary: QuantizationSummary, _ report: QuantizationReport, blocks: [BlockReport]) {
    (self.summary, self.blocks) = (summary, blocks)
    let found = Set(blocks.flatMap(\.layers).map(\.name))
    layers = report.layers.filter { !found.contains($0.name) }
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
    let details = blocks.flatMap(\.layers)
    let shown = summary.layers.map { layer in
      ReportedLayer(
        layer,
        details.first { $0.name == layer.name },
        layers.first { $0.name == layer.name }
      )
    }
    let charts = ModelCharts(blocks: blocks, layers: shown)
    page.add(heading: "By depth")
    page.add(
      paragraph: blocks.isEmpty
        ? "Weights alone, each layer for itself."
        : "States: the squared error behind each block, of the quantized model against the "
          + "original one, over the mean square of the original states. Weights and outputs: each "
          + "layer for itself, on the inputs that the method saw."
    )
    for chart in charts.byDepth { page.add(chart) }
    for note in lossNotes { page.add(paragraph: note) }
    if charts.hasMovement {
      page.add(heading: "Where codes moved")
      page.add(
        paragraph: "Steps between the code of the method and that of round-to-nearest, against the "
          + "size of the weight in units of its layer's root mean square. FlexRound's division lets "
          + "large weights move further."
      )
      for chart in charts.movement { page.add(chart) }
    }
    page.add(heading: "Weights before and after")
    for chart in charts.histograms { page.add(chart) }
    page.add(heading: "Layers")
    let rows = Self.layerTable(shown)
    page.add(table: rows.columns.map(\.title), rows: rows.rows)
    return page
  }

  /// The blocks that were learned against something else than the squared error, which one chart cannot
  /// show beside the others.
  private var lossNotes: [String] {
    blocks.compactMap { block in
      guard block.loss == .crossEntropy, let learned = block.reconstruction else { return nil }
      func nats(_ value: Double?) -> String { value.map { "\($0.fixed(5)) nats" } ?? "not finite" }
      return
        "Block \(block.block) was learned against the distributions of the head: their divergence "
        + "on the samples that judge went from \(nats(learned.startError)) to \(nats(learned.error))."
    }
  }

  /// Every layer with its numbers.
  private static func layerTable(_ layers: [ReportedLayer]) -> Table {
    var table = Table([
      "layer", "scheme", .number("bytes"), .number("relative error"),
      .number("output error"), .number("moved"), .number("by 2 or more"), .number("step sizes"),
      .number("seconds"),
    ])
    for layer in layers {
      func percent(_ share: Double?) -> String {
        share.map { "\((100 * $0).fixed(3))%" } ?? ""
      }
      table.add(
        layer.name,
        layer.scheme,
        byteCount(layer.bytes),
        percent(layer.relativeError),
        percent(layer.relativeOutputError),
        percent(layer.movement?.movedShare),
        percent(layer.movement?.farShare),
        layer.stepSizes.map { "\($0.minimum) … \($0.maximum)" } ?? "",
        layer.seconds?.fixed(2) ?? ""
      )
    }
    return table
  }
}
