import ArgumentParser
import Autograd
import PointCloud
import Quantization
import Tensor

/// Rounds the sparse convolutions of a network stage by stage: inputs from the rounded stages in front,
/// targets from the network as it was.
///
/// FlexRound's form for convolutions applies with K³ taps: s₃ for each output channel, s₄ for each input
/// channel. All convolutions of a stage (a level of the U-Net) are learned together. The stem, the
/// matrices beside the residual blocks and the head are rounded to nearest with more bits; the front end
/// and the norms stay as they are.
///
/// - Source: Lee et al. 2023 (FlexRound), section 3; the first and the last layer as there.
struct BackboneQuantization {
  /// How codes are chosen.
  enum Method: String, Codable, CaseIterable, ExpressibleByArgument {
    case rtn, flexround
  }

  /// Who shares a step size.
  enum Sharing: String, Codable, CaseIterable, ExpressibleByArgument {
    case channel, tensor
  }

  /// What is asked for.
  struct Settings: Codable {
    var method: Method
    var bits: Int
    var edgeBits: Int
    var sharing: Sharing
    var steps: Int
    var learningRate: Float?
    var seed: UInt64
  }

  /// What became of a stage.
  struct StageReport: Encodable {
    var stage: String
    var weights: Int
    var bits: Int
    /// The mean squared error of the stage's output on scans that were not trained on, rounded to
    /// nearest and as it was left; nil where nothing was learned.
    var nearestError: Double?
    var error: Double?
  }

  let network: PointSegmenter
  let settings: Settings

  /// Rounds, and leaves the rounded weights in the network.
  ///
  /// - Parameters:
  ///   - scans: what FlexRound learns from; none for round-to-nearest.
  ///   - progress: told the stage and the share of the work that is done; return false to stop.
  /// - Returns: the packed layers, and what became of each stage.
  /// - Throws: `QuantizationError`.
  func run(
    on scans: [SegmentationInput],
    progress: (_ stage: String, _ share: Double) -> Bool
  ) throws -> (layers: [PackedLayer], stages: [StageReport]) {
    network.eval()
    network.freeze()
    let backbone = network.backbone
    var originals = scans.map { scan in
      withoutGradients { SparseUNetState(network.backboneInput(of: scan)) }
    }
    var rounded = originals
    var layers: [PackedLayer] = []
    var reports: [StageReport] = []
    for (index, stage) in backbone.stages.enumerated() {
      let targets = originals.map { state in withoutGradients { backbone(stage, state) } }
      let work = StageWork(
        stage: stage,
        inputs: rounded,
        targets: targets.map(\.value.features.value)
      )
      let (found, report) = try round(work) { share in
        progress(stage.path, (Double(index) + share) / Double(backbone.stages.count))
      }
      layers += found
      reports.append(report)
      rounded = rounded.map { state in withoutGradients { backbone(stage, state) } }
      originals = targets
    }
    layers.append(try roundMatrix("head", backbone.head))
    reports.append(
      StageReport(stage: "head", weights: backbone.head.weight.count, bits: settings.edgeBits)
    )
    return (layers, reports)
  }

  /// A stage with what goes in and what should come out, scan by scan.
  private struct StageWork {
    let stage: SparseUNetStage
    let inputs: [SparseUNetState]
    let targets: [Tensor<Float>]
  }

  private func round(
    _ work: StageWork,
    progress: (Double) -> Bool
  ) throws -> (layers: [PackedLayer], report: StageReport) {
    let isEdge = work.stage == .stem
    let bits = isEdge ? settings.edgeBits : settings.bits
    // First what is not learned, so that the rest makes up for it.
    var layers = try matrices(of: work.stage).map { try roundMatrix($0.path, $0.layer) }
    let convolutions = network.backbone.convolutions(of: work.stage)
    let roundings = try convolutions.map { path, layer in
      try FlexRound(layer.weight.value.asConvolution, scheme: scheme(bits), layer: path)
    }
    let weightCount = layers.reduce(convolutions.reduce(0) { $0 + $1.layer.weight.count }) {
      $0 + $1.shape.count
    }
    var report = StageReport(stage: work.stage.path, weights: weightCount, bits: bits)
    if settings.method == .flexround, !isEdge {
      for (item, rounding) in zip(convolutions, roundings) {
        item.layer.substitute = { rounding().asSparseWeight }
      }
      defer { for item in convolutions { item.layer.substitute = nil } }
      let found = try learn(roundings, work, progress)
      (report.nearestError, report.error) = (found.startError, found.error)
    }
    for (item, rounding) in zip(convolutions, roundings) {
      let packed = PackedLayer(
        parameter: "backbone.\(item.path).weight",
        shape: item.layer.weight.shape,
        matrix: rounding.quantized()
      )
      item.layer.weight.value = packed.weight
      layers.append(packed)
    }
    return (layers, report)
  }

  /// Trains the roundings of a stage.
  ///
  /// A sample is the number of a scan, for scans differ in their sites.
  private func learn(
    _ roundings: [FlexRound],
    _ work: StageWork,
    _ progress: (Double) -> Bool
  ) throws -> ReconstructionReport {
    let numbers = Tensor(work.inputs.indices.map { Float($0) }, shape: [work.inputs.count, 1])
    func scan(_ number: Tensor<Float>) -> Int { Int(number.item) }
    let reconstruction = Reconstruction(
      ReconstructionSettings(
        steps: settings.steps,
        batchSize: 1,
        learningRate: settings.learningRate,
        seed: settings.seed
      )
    )
    return try reconstruction.run(
      roundings.flatMap { $0.parameters() },
      inputs: numbers,
      targets: numbers,
      forward: { number in
        network.backbone(work.stage, work.inputs[scan(number.value)]).value.features
      },
      loss: { output, number in
        meanSquaredError(predictions: output, targets: Variable(work.targets[scan(number)]))
      },
      progress: { progress(Double($0.step) / Double(max($0.steps, 1))) }
    )
  }

  /// The matrices beside the residual blocks of a stage.
  private func matrices(of stage: SparseUNetStage) -> [(path: String, layer: Linear)] {
    network.backbone.namedModules().compactMap { entry in
      guard entry.name.hasPrefix(stage.path + ".") else { return nil }
      return (entry.module as? Linear).map { (entry.name, $0) }
    }
  }

  private func roundMatrix(_ path: String, _ layer: Linear) throws -> PackedLayer {
    let found = try RoundToNearest(scheme(settings.edgeBits)).quantize(
      layer.weight.value,
      layer: path
    )
    let packed = PackedLayer(
      parameter: "backbone.\(path).weight",
      shape: layer.weight.shape,
      matrix: found.matrix
    )
    layer.weight.value = packed.weight
    return packed
  }

  /// The grid of so many bits; up to three bits its range is searched for.
  private func scheme(_ bits: Int) throws -> WeightScheme {
    try WeightScheme(
      grid: QuantizationGrid(bits: bits),
      granularity: settings.sharing == .channel ? .outputChannel : .tensor,
      range: bits <= 3 ? .flexRoundSearch : .flexRound,
      scaleType: .float32
    )
  }
}
