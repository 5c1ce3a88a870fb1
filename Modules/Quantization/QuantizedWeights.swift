public import Autograd
public import Checkpoints
public import Tensor

/// A quantized model's weights: packed layers where the configuration says so, floats elsewhere.
///
/// A quantized layer `name` lies in a checkpoint as
///
/// | tensor | element type | shape |
/// |---|---|---|
/// | `name.weight_packed` | I32 | [N × ⌈K·bits/32⌉]: little-endian bit streams, one per row |
/// | `name.weight_scale` | F16 or F32 | [N × groups], [groups × K] or, per tensor, [1 × 1] |
/// | `name.weight_zero_point` | U8 | as the scale; absent for symmetric grids |
/// | `name.weight_input_order` | I32 | [K]: the input of each stored column; absent in natural order |
/// | `name.input_grid` | F32 | [2]: step size and zero point of the inputs; where all share one grid |
///
/// and one of binary codes as `BinaryCodedMatrix` says.
public struct QuantizedWeights: QuantizedWeightSource {
  /// How the weights are quantized.
  public let configuration: QuantizationConfiguration
  /// Where everything that is not packed comes from.
  public let dense: any WeightSource
  private let catalog: any TensorCatalog
  private let embeddings: Set<String>

  /// The weights in `catalog`.
  ///
  /// - Parameters:
  ///   - catalog: the tensors.
  ///   - configuration: how they are quantized.
  ///   - embeddings: the layers that follow the embedding's scheme.
  ///   - dense: where everything that is not packed comes from.
  public init(
    _ catalog: any TensorCatalog,
    configuration: QuantizationConfiguration,
    embeddings: [String],
    dense: any WeightSource
  ) {
    self.catalog = catalog
    self.configuration = configuration
    self.embeddings = Set(embeddings)
    self.dense = dense
  }

  /// Whether the checkpoint holds a tensor of that name.
  public func contains(_ name: String) -> Bool { catalog.describe(name) != nil }

  /// Whether the weight of that layer is packed.
  public func isPacked(_ layer: String) -> Bool {
    contains(layer + Self.wordsSuffix) || isBinary(layer)
  }

  private func isBinary(_ layer: String) -> Bool { BinaryCodedMatrix.isStored(layer, in: catalog) }

  /// The layer over the binary or the packed matrix.
  public func packedLayer(
    _ layer: String,
    shape: Shape,
    bias: Tensor<Float>?
  ) throws -> any LinearLayer {
    if isBinary(layer) {
      return BinaryCodedLinear(weight: try binaryMatrix(layer, shape: shape), bias: bias)
    }
    return PackedLinear(
      weight: try matrix(layer, shape: shape),
      bias: bias,
      inputQuantizer: try inputQuantizer(layer)
    )
  }

  /// What stands before a packed layer of a block: nothing where activations stay in floating point.
  ///
  /// - Throws: `QuantizationError.invalidTensor` or `CheckpointError` for a grid that is missing or
  ///   damaged.
  public func inputQuantizer(_ name: String) throws -> (any ActivationQuantizer)? {
    guard let activations = configuration.activations, !embeddings.contains(name) else {
      return nil
    }
    switch activations.sharing {
    case .token: return TokenQuantizer(bits: activations.bits)
    case .tensor:
      let grid = try tensor(name + Self.inputGridSuffix, shape: [2])
      guard let quantizer = TensorQuantizer(grid: grid, bits: activations.bits) else {
        throw invalid(name + Self.inputGridSuffix, "holds no step size and zero point")
      }
      return quantizer
    }
  }

  static let wordsSuffix = ".weight_packed"
  static let scalesSuffix = ".weight_scale"
  static let zerosSuffix = ".weight_zero_point"
  static let orderSuffix = ".weight_input_order"
  static let inputGridSuffix = ".input_grid"

  /// The weights that a packed layer stands for [N × K].
  public func floats(_ layer: String, shape: Shape) throws -> Tensor<Float> {
    isBinary(layer)
      ? try binaryMatrix(layer, shape: shape).dequantized()
      : try matrix(layer, shape: shape).dequantized()
  }

  /// The binary codes of a layer.
  ///
  /// - Throws: `QuantizationError.invalidTensor` or `CheckpointError` if a part is missing, or is not
  ///   as the configuration says.
  public func binaryMatrix(_ name: String, shape: Shape) throws -> BinaryCodedMatrix {
    guard !embeddings.contains(name), configuration.layerSchemes[name] == nil,
      case .binary(let coding, _) = configuration.scheme
    else {
      throw invalid(
        name + BinaryCodedMatrix.planesSuffix,
        "holds binary codes, but the configuration has no planes for it"
      )
    }
    let matrix = try BinaryCodedMatrix(
      named: name,
      shape: shape,
      groupSize: coding.groupSize,
      in: catalog
    )
    guard matrix.planeCount == coding.planes else {
      throw invalid(
        name + BinaryCodedMatrix.planesSuffix,
        "has \(matrix.planeCount) planes, the configuration says \(coding.planes)"
      )
    }
    return matrix
  }

  /// The quantized matrix of a layer.
  ///
  /// - Throws: `QuantizationError.invalidTensor` or `CheckpointError` if a part is missing, shaped
  ///   otherwise or out of range; `QuantizationError.inexportable` for binary codes.
  public func matrix(_ name: String, shape: Shape) throws -> QuantizedMatrix {
    guard !isBinary(name) else {
      throw QuantizationError.inexportable(
        layer: name,
        format: "a uniform grid",
        reason: "its weights are binary codes (bcq); export the numbers that they stand for, as "
          + "huggingface or as gguf with --gguf-type f16"
      )
    }
    let isEmbedding = embeddings.contains(name)
    let linear = configuration.layerSchemes[name] ?? configuration.scheme.weightScheme
    guard let scheme = isEmbedding ? configuration.embeddingScheme : linear else {
      throw invalid(
        name + Self.wordsSuffix,
        "is packed, but the configuration has no scheme for it"
      )
    }
    return try Self.matrix(name, shape: shape, scheme: scheme, in: catalog)
  }

  /// The quantized matrix of a layer in a catalog, by a known scheme.
  static func matrix(
    _ name: String,
    shape: Shape,
    scheme: WeightScheme,
    in catalog: any TensorCatalog
  ) throws -> QuantizedMatrix {
    func check(_ name: String, _ found: Shape, expected: Shape) throws {
      try Self.check(name, found, expected: expected, in: catalog)
    }
    func invalid(_ name: String, _ reason: String) -> QuantizationError {
      .invalidTensor(name, path: catalog.path, reason: reason)
    }
    let words = try catalog.tensor(name + wordsSuffix, as: Int32.self)
    let width = PackedRows.wordCount(codes: shape[1], bits: scheme.grid.bits)
    try check(name + wordsSuffix, words.shape, expected: [shape[0], width])
    let scales = try catalog.floats(name + scalesSuffix)
    let scaleShape = scheme.granularity.scaleShape(for: shape)
    try check(name + scalesSuffix, scales.shape, expected: scaleShape)
    guard scales.withUnsafeElements({ $0.allSatisfy { $0.isFinite } }) else {
      throw invalid(name + scalesSuffix, "holds a step size that is not finite")
    }
    var zeros: Tensor<UInt8>?
    if !scheme.grid.isSymmetric {
      let points = try catalog.tensor(name + zerosSuffix, as: UInt8.self)
      try check(name + zerosSuffix, points.shape, expected: scaleShape)
      zeros = points
    }
    return QuantizedMatrix(
      scheme: scheme,
      columnCount: shape[1],
      words: words,
      stepSizes: scales,
      zeroPoints: zeros,
      inputOrder: try inputOrder(name, count: shape[1], in: catalog)
    )
  }

  private static func inputOrder(
    _ name: String,
    count: Int,
    in catalog: any TensorCatalog
  ) throws -> Tensor<Int32>? {
    let name = name + orderSuffix
    guard catalog.describe(name) != nil else { return nil }
    let order = try catalog.tensor(name, as: Int32.self)
    try check(name, order.shape, expected: [count], in: catalog)
    guard order.elements.sorted() == (0..<Int32(count)).map({ $0 }) else {
      throw QuantizationError.invalidTensor(
        name,
        path: catalog.path,
        reason: "does not name every input once"
      )
    }
    return order
  }

  static func check(
    _ name: String,
    _ found: Shape,
    expected: Shape,
    in catalog: any TensorCatalog
  ) throws {
    guard found == expected else {
      throw CheckpointError.shapeMismatch(
        path: catalog.path,
        name: name,
        expected: expected.extents,
        found: found.extents
      )
    }
  }

  private func invalid(_ name: String, _ reason: String) -> QuantizationError {
    .invalidTensor(name, path: catalog.path, reason: reason)
  }
}
