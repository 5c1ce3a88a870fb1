import Autograd
import Foundation
import ModelSupport
import Quantization
import Support
import Transformer

extension ModelFile {
  fileprivate var hasBinaryCodes: Bool { binaryPlaneCount != nil }
}

/// A model as tuning begins with it.
struct TuningBase {
  /// What becomes of the layers in the blocks.
  enum Kind: Hashable {
    /// They stay as they are, packed or not.
    case stored
    /// Packed ones get step sizes that train.
    case stepSizes
    /// They are binary codes, or become such, whose scales train.
    case binaryCodes
    /// All weights are floats in memory that train.
    case trainable
  }

  let file: ModelFile
  let model: DecoderModel
  /// The layers whose scales are tuned; nil for other kinds.
  let layers: ScaleTunedLayers?
  /// How its layers hold their weights, in a few words.
  let text: String

  /// Builds the model.
  ///
  /// - Parameters:
  ///   - file: where its weights are.
  ///   - kind: what becomes of the layers.
  ///   - arguments: how codes are made of a model in full precision.
  ///   - output: how progress is shown.
  /// - Throws: `CommandFailure` where model, kind and arguments do not fit.
  init(
    _ file: ModelFile,
    _ kind: Kind,
    _ arguments: BaseArguments,
    output: OutputArguments
  ) throws {
    self.file = file
    guard file.pretrained.configuration.isCausal else {
      throw CommandFailure("\(file.path) is an encoder; only decoders are tuned")
    }
    let scheme = try arguments.weightScheme()
    try Self.check(file, kind, arguments)
    switch kind {
    case .trainable: model = try file.pretrained.makeModel(isTrainable: true)
    case .stored, .stepSizes, .binaryCodes:
      model = try scheme.map { try Self.rounded(file, $0, output) } ?? file.makeModel()
    }
    try Cancellation.check()
    func isInBlock(_ path: String) -> Bool { path.hasPrefix("blocks.") }
    if kind == .stepSizes { try model.usePEQA(where: isInBlock) }
    if kind == .binaryCodes, file.hasBinaryCodes {
      try Self.train(file, model, arguments)
      text = file.method
    } else if kind == .binaryCodes {
      try Self.code(model, file, arguments, output)
      let coding = try arguments.coding()
      let groups = coding.groupSize.map { "groups of \($0)" } ?? "rows"
      text =
        "\(coding.planes.counted("binary plane")), \(groups), \(coding.rounds.counted("round"))"
    } else {
      text = scheme.map { "rtn \($0.text)" } ?? file.method
    }
    let names = file.layerNames
    layers =
      kind == .stepSizes || kind == .binaryCodes
      ? try ScaleTunedLayers(of: model) { names[$0] ?? $0 } : nil
  }

  /// Refuses a model whose codes, or whose lack of them, the method cannot use.
  private static func check(
    _ file: ModelFile,
    _ kind: Kind,
    _ arguments: BaseArguments
  ) throws(CommandFailure) {
    let isPacked = file.quantization != nil
    let codingOptions = arguments.binaryOptions.filter { $0 != "--trained-planes" }
    if isPacked, let option = arguments.scheme.map({ _ in "--scheme" }) ?? codingOptions.first {
      throw CommandFailure(
        "\(file.path) is quantized already (\(file.method)); leave \(option) out",
        code: .usage
      )
    }
    switch kind {
    case .stored: break
    case .stepSizes:
      if file.hasBinaryCodes {
        throw CommandFailure(
          "\(file.path) holds binary codes (\(file.method)), PEQA trains step sizes; choose AlphaTuning"
        )
      }
      if !isPacked, arguments.scheme == nil {
        throw CommandFailure(
          "\(file.path) is in full precision, PEQA trains the step sizes of codes; add --scheme W4, "
            + "or quantize it with 'apus-quantize run' first",
          code: .usage
        )
      }
    case .binaryCodes:
      if arguments.scheme != nil {
        throw CommandFailure(
          "--scheme makes step sizes, AlphaTuning trains scales of binary codes; leave it out",
          code: .usage
        )
      }
      if isPacked, !file.hasBinaryCodes {
        throw CommandFailure(
          "\(file.path) is quantized (\(file.method)), AlphaTuning trains scales of binary codes; take "
            + "the full-precision model, or one of 'apus-quantize run --method bcq'"
        )
      }
    case .trainable:
      if isPacked {
        throw CommandFailure(
          "\(file.path) is quantized (\(file.method)); all weights are trained of a full-precision "
            + "model alone"
        )
      }
    }
  }

  /// Lets scales of the binary codes of a folder train.
  private static func train(
    _ file: ModelFile,
    _ model: DecoderModel,
    _ arguments: BaseArguments
  ) throws {
    guard let planes = file.binaryPlaneCount else { return }
    try model.useAlphaTuning(
      trainedPlanes: arguments.trainedPlaneCount(of: planes),
      where: { $0.hasPrefix("blocks.") }
    )
  }

  /// The model with its layers rounded as they are read.
  private static func rounded(
    _ file: ModelFile,
    _ scheme: WeightScheme,
    _ output: OutputArguments
  ) throws -> DecoderModel {
    let configuration = file.pretrained.configuration
    let layers = configuration.blockLinearLayers
    let progress = output.progress("quantizing", unit: "layers")
    defer { progress.clear() }
    var count = 0
    let weights = NearestWeights(
      DenseWeights(file.pretrained.catalog),
      scheme: scheme,
      layers: layers
    ) { layer in
      try Cancellation.check("nothing was written")
      progress.update(completed: count, total: layers.count, note: layer)
      count += 1
    }
    return try DecoderModel(configuration, weights: weights)
  }

  /// Codes the layers in binary planes.
  private static func code(
    _ model: DecoderModel,
    _ file: ModelFile,
    _ arguments: BaseArguments,
    _ output: OutputArguments
  ) throws {
    let total = file.pretrained.configuration.blockLinearLayers.count
    let progress = output.progress("coding", unit: "layers")
    defer { progress.clear() }
    var count = 0
    do {
      try model.useAlphaTuning(
        arguments.coding(),
        trainedPlanes: arguments.trainedPlaneCount(of: arguments.planeCount),
        where: { $0.hasPrefix("blocks.") },
        progress: { path in
          progress.update(completed: count, total: total, note: path)
          count += 1
          return !Cancellation.isRequested
        }
      )
    } catch QuantizationError.notFinite(let layer, let row) {
      throw QuantizationError.notFinite(layer: file.layerNames[layer] ?? layer, row: row)
    } catch QuantizationError.cancelled {
      try Cancellation.check("nothing was written")
      throw QuantizationError.cancelled
    }
  }
}
