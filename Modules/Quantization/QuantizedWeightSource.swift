public import Autograd
public import Checkpoints
public import Tensor

/// A model's weights of which some are packed, whatever format holds them.
public protocol QuantizedWeightSource: WeightSource {
  /// Where everything that is not packed comes from.
  var dense: any WeightSource { get }
  /// Whether the weight of that layer is packed.
  func isPacked(_ layer: String) -> Bool
  /// The quantized matrix of a packed layer [N × K].
  ///
  /// - Throws: `QuantizationError.inexportable` where the codes are those of no uniform grid.
  func matrix(_ layer: String, shape: Shape) throws -> QuantizedMatrix
  /// What the inputs of a packed layer pass through first; nil for nothing, which is the default.
  func inputQuantizer(_ layer: String) throws -> (any ActivationQuantizer)?
  /// The weights that a packed layer stands for [N × K], whatever codes it has.
  func floats(_ layer: String, shape: Shape) throws -> Tensor<Float>
  /// The layer that computes from the codes of a packed layer [N × K]; a `PackedLinear` by default.
  func packedLayer(
    _ layer: String,
    shape: Shape,
    bias: Tensor<Float>?
  ) throws -> any LinearLayer
}

extension QuantizedWeightSource {
  /// A tensor of floats of the given shape.
  public func tensor(_ name: String, shape: Shape) throws -> Tensor<Float> {
    try dense.tensor(name, shape: shape)
  }

  /// The packed layer of that name, or the dense one if its weight is not packed.
  public func linear(
    _ name: String,
    outputWidth: Int,
    inputWidth: Int,
    hasBias: Bool
  ) throws -> any LinearLayer {
    guard isPacked(name) else {
      return try dense.linear(
        name,
        outputWidth: outputWidth,
        inputWidth: inputWidth,
        hasBias: hasBias
      )
    }
    let bias = hasBias ? try tensor(name + ".bias", shape: [outputWidth]) : nil
    return try packedLayer(name, shape: [outputWidth, inputWidth], bias: bias)
  }

  /// The layer over the quantized matrix.
  public func packedLayer(
    _ layer: String,
    shape: Shape,
    bias: Tensor<Float>?
  ) throws -> any LinearLayer {
    PackedLinear(
      weight: try matrix(layer, shape: shape),
      bias: bias,
      inputQuantizer: try inputQuantizer(layer)
    )
  }

  /// Nothing.
  public func inputQuantizer(_ layer: String) throws -> (any ActivationQuantizer)? { nil }

  /// The weights that a packed layer stands for [N × K].
  public func floats(_ layer: String, shape: Shape) throws -> Tensor<Float> {
    try matrix(layer, shape: shape).dequantized()
  }

  /// The quantized matrix of a packed layer for a file of that format, which a refusal names.
  func matrix(_ layer: String, shape: Shape, for format: String) throws -> QuantizedMatrix {
    do { return try matrix(layer, shape: shape) } catch QuantizationError.inexportable(
      let layer,
      _,
      let reason
    ) {
      throw QuantizationError.inexportable(layer: layer, format: format, reason: reason)
    }
  }
}

/// How the packed layers of a model folder are stored: what `quantization_config` says.
public enum ModelQuantization: Hashable, Sendable {
  /// As `CheckpointQuantizer` and the runs of this package write them.
  case own(QuantizationConfiguration)
  /// As another tool writes them.
  case other(PackedFolderConfiguration)

  /// Reads the object under `quantization_config` of the `config.json` at `path`.
  ///
  /// - Throws: `QuantizationError.invalidConfiguration` if the format is unknown or damaged.
  public init(document: JSONObject, path: String) throws(QuantizationError) {
    let method = document["quant_method"]?.stringValue
    if let method, let format = PackedFolderConfiguration.Format(rawValue: method) {
      self = .other(try PackedFolderConfiguration(format, document: document, path: path))
      return
    }
    self = .own(try QuantizationConfiguration(document: document, path: path))
  }

  /// The weights in `catalog`.
  ///
  /// - Parameters:
  ///   - catalog: the tensors.
  ///   - embeddings: the layers that follow the embedding's scheme.
  ///   - dense: where everything that is not packed comes from.
  /// - Returns: packed layers where there are such, dense ones elsewhere.
  public func weights(
    _ catalog: any TensorCatalog,
    embeddings: [String],
    dense: any WeightSource
  ) -> any QuantizedWeightSource {
    switch self {
    case .own(let configuration):
      QuantizedWeights(
        catalog,
        configuration: configuration,
        embeddings: embeddings,
        dense: dense
      )
    case .other(let configuration):
      PackedFolderWeights(catalog, configuration: configuration, dense: dense)
    }
  }
}
