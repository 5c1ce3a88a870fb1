import Autograd
import Foundation
import ModelSupport
import Quantization
import Support
import Transformer

/// A model as tuning begins with it.
struct TuningBase {
  /// What becomes of the layers in the blocks.
  enum Kind: Hashable {
    /// They stay as they are, packed or not.
    case stored
    /// Packed ones get step sizes that train.
    case stepSizes
    /// They become binary codes whose scales train.
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
    let isPacked = file.quantization != nil
    if isPacked, scheme != nil {
      throw CommandFailure(
        "\(file.path) is quantized already (\(file.method)); leave --scheme out",
        code: .usage
      )
    }
    if scheme != nil || isPacked, kind == .binaryCodes || kind == .trainable {
      let what = kind == .trainable ? "all weights are trained" : "AlphaTuning codes"
      throw CommandFailure(
        isPacked
          ? "\(file.path) is quantized (\(file.method)); \(what) of a full-precision model"
          : "--scheme: \(what) of a full-precision model; leave it out",
        code: isPacked ? .failure : .usage
      )
    }
    if kind == .stepSizes, scheme == nil, !isPacked {
      throw CommandFailure(
        "\(file.path) is in full precision, PEQA trains the step sizes of codes; add --scheme W4, "
          + "or quantize it with 'apus-quantize run' first",
        code: .usage
      )
    }
    switch kind {
    case .trainable: model = try file.pretrained.makeModel(isTrainable: true)
    case .stored, .stepSizes, .binaryCodes:
      model = try scheme.map { try Self.rounded(file, $0, output) } ?? file.makeModel()
    }
    try Cancellation.check()
    func isInBlock(_ path: String) -> Bool { path.hasPrefix("blocks.") }
    if kind == .stepSizes { try model.usePEQA(where: isInBlock) }
    if kind == .binaryCodes {
      try Self.code(model, file, arguments, output)
      let coding = try arguments.coding()
      let groups = coding.groupSize.map { "groups of \($0)" } ?? "rows"
      text =
        "\(coding.planes.counted("binary plane")), \(groups), \(coding.rounds.counted("round"))"
    } else {
      text = scheme.map { "rtn \($0.text)" } ?? file.method
    }
    let names = Self.layerNames(file)
    layers =
      kind == .stepSizes || kind == .binaryCodes
      ? try ScaleTunedLayers(of: model) { names[$0] ?? $0 } : nil
  }

  /// The names of the layers in checkpoints, by their paths in the model.
  private static func layerNames(_ file: ModelFile) -> [String: String] {
    let suffix = ".weight"
    let weights = file.pretrained.configuration.tensors.filter { $0.path.hasSuffix(suffix) }
    return Dictionary(
      weights.map {
        (String($0.path.dropLast(suffix.count)), String($0.name.dropLast(suffix.count)))
      },
      uniquingKeysWith: { first, _ in first }
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
        trainedPlanes: arguments.trainedPlaneCount(),
        where: { $0.hasPrefix("blocks.") },
        progress: { path in
          progress.update(completed: count, total: total, note: path)
          count += 1
          return !Cancellation.isRequested
        }
      )
    } catch QuantizationError.cancelled {
      try Cancellation.check("nothing was written")
      throw QuantizationError.cancelled
    }
  }
}
