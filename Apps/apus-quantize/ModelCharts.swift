import Autograd
import Quantization
import Support

/// The charts of a model's blocks and layers.
struct ModelCharts {
  let blocks: [BlockReport]
  let layers: [ReportedLayer]

  var hasMovement: Bool { layers.contains { $0.movement != nil } }

  /// One curve over the blocks for each kind of layer.
  private func curves(_ value: (ReportedLayer) -> Double?) -> [CurveSeries] {
    var kinds: [String] = []
    for layer in layers where layer.depth != nil && !kinds.contains(layer.kind) {
      kinds.append(layer.kind)
    }
    return kinds.compactMap { kind in
      let points = layers.compactMap { layer -> CurveSeries.Point? in
        guard layer.kind == kind, let depth = layer.depth, let value = value(layer) else {
          return nil
        }
        return CurveSeries.Point(Double(depth), value)
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
    func squared(_ block: BlockReport) -> ReconstructionReport? {
      block.loss == .squaredError ? block.reconstruction : nil
    }
    return [
      chart("relative error of the states", [states("behind the block") { $0.relativeError }]),
      chart(
        "error of a block on the samples that judge",
        [
          states("round-to-nearest") { squared($0)?.startError },
          states("learned") { squared($0)?.error },
        ]
      ),
      chart("relative error of the weights", curves { $0.relativeError }),
      chart("relative error of the outputs", curves { $0.relativeOutputError }),
      chart("mean step size", curves { $0.stepSizes.map { Double($0.mean) } }),
    ].compactMap { $0 }
  }

  /// Every point a dot: what is not finite breaks a curve.
  private static func dots(_ name: String, _ points: [CurveSeries.Point]) -> CurveSeries {
    CurveSeries(name, points.flatMap { [$0, CurveSeries.Point(.nan, .nan)] })
  }

  private static let magnitudeBin = 0.5

  var movement: [CurveChart] {
    let points = layers.flatMap { $0.movement?.sample ?? [] }
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
    let layers = layers.filter { $0.depth != nil && $0.histogram != nil }
    let worst = layers.max { $0.relativeError < $1.relativeError }
    var names: Set<String> = []
    let chosen = [layers.first, worst, layers.last].compactMap { $0 }.filter {
      names.insert($0.name).inserted
    }
    return chosen.compactMap { layer in
      guard let histogram = layer.histogram else { return nil }
      func curve(_ name: String, _ counts: [Int]) -> CurveSeries {
        let edge = Double(histogram.edge)
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
        series: [curve("before", histogram.original), curve("after", histogram.rounded)]
      )
    }
  }
}
