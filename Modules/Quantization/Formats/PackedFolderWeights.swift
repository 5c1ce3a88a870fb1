public import Autograd
public import Checkpoints
public import Tensor

/// The weights of a folder that another tool has packed: GPTQ, AWQ or compressed-tensors.
///
/// Codes are read as they are, so a model that was exported and read back computes the same bits.
public struct PackedFolderWeights: QuantizedWeightSource {
  /// What the folder says about its packed layers.
  public let configuration: PackedFolderConfiguration
  /// Where everything that is not packed comes from.
  public let dense: any WeightSource
  private let catalog: any TensorCatalog

  /// The weights in `catalog`; what is not packed comes from `dense`.
  public init(
    _ catalog: any TensorCatalog,
    configuration: PackedFolderConfiguration,
    dense: any WeightSource
  ) {
    self.catalog = catalog
    self.configuration = configuration
    self.dense = dense
  }

  /// Whether the checkpoint holds a tensor of that name.
  public func contains(_ name: String) -> Bool { catalog.describe(name) != nil }

  /// Whether the weight of that layer is packed.
  public func isPacked(_ layer: String) -> Bool { contains(layer + "." + codesName) }

  /// The quantized matrix of a packed layer.
  ///
  /// - Throws: `QuantizationError.invalidTensor` or `CheckpointError` if a part is missing, shaped
  ///   otherwise or out of range.
  public func matrix(_ layer: String, shape: Shape) throws -> QuantizedMatrix {
    let matrix: QuantizedMatrix
    do {
      switch configuration.format {
      case .gptq: matrix = try gptq(layer, shape).matrix()
      case .awq: matrix = try awq(layer, shape).matrix()
      case .compressedTensors: matrix = try compressedTensors(layer, shape).matrix()
      }
    } catch QuantizationError.invalidScheme(let reason) {
      throw invalid(layer + "." + codesName, reason)
    }
    guard matrix.shape == shape else {
      throw invalid(layer + "." + codesName, "holds a weight \(matrix.shape), not \(shape)")
    }
    return matrix.withoutNeedlessZeroPoints()
  }

  private var codesName: String {
    configuration.format == .compressedTensors ? "weight_packed" : "qweight"
  }

  private func groups(_ columns: Int) -> Int {
    let size = configuration.groupSize ?? columns
    return (columns + size - 1) / max(size, 1)
  }

  // MARK: - Formats

  private func gptq(_ layer: String, _ shape: Shape) throws -> GPTQFormat {
    let (rows, columns) = (shape[0], shape[1])
    let (bits, groups) = (configuration.bits, groups(columns))
    guard rows % 32 == 0, columns % 32 == 0 else {
      throw invalid(layer + ".qweight", "has the extents \(shape), which are not multiples of 32")
    }
    let size = configuration.groupSize ?? columns
    let natural = Tensor((0..<Int32(columns)).map { $0 / Int32(size) })
    let indices = layer + ".g_idx"
    return GPTQFormat(
      version: configuration.gptqVersion,
      bits: bits,
      codes: try integers(layer + ".qweight", [columns * bits / 32, rows]),
      zeroPoints: try integers(layer + ".qzeros", [groups, rows * bits / 32]),
      stepSizes: try steps(layer + ".scales", [groups, rows]),
      groupIndices: contains(indices) ? try integers(indices, [columns]) : natural
    )
  }

  private func awq(_ layer: String, _ shape: Shape) throws -> AWQFormat {
    let (rows, columns) = (shape[0], shape[1])
    let groups = groups(columns)
    guard rows % 8 == 0, columns % groups == 0 else {
      throw invalid(layer + ".qweight", "has the extents \(shape), which the format does not allow")
    }
    return AWQFormat(
      codes: try integers(layer + ".qweight", [columns, rows / 8]),
      zeroPoints: try integers(layer + ".qzeros", [groups, rows / 8]),
      stepSizes: try steps(layer + ".scales", [groups, rows])
    )
  }

  private func compressedTensors(_ layer: String, _ shape: Shape) throws -> CompressedTensorsFormat
  {
    let (rows, columns) = (shape[0], shape[1])
    let (bits, groups) = (configuration.bits, groups(columns))
    let extents = try catalog.floats(layer + ".weight_shape").elements
    guard extents == [Float(rows), Float(columns)] else {
      throw invalid(layer + ".weight_shape", "holds \(extents), not \(shape)")
    }
    guard !contains(layer + ".weight_g_idx") else {
      throw invalid(layer + ".weight_g_idx", "orders the inputs, which this package does not read")
    }
    let zeros = layer + ".weight_zero_point"
    return CompressedTensorsFormat(
      bits: bits,
      codes: try integers(
        layer + ".weight_packed",
        [rows, PackedRows.wordCount(codes: columns, bits: bits)]
      ),
      stepSizes: try steps(layer + ".weight_scale", [rows, groups]),
      shape: shape,
      zeroPoints: configuration.isSymmetric
        ? nil : try integers(zeros, [PackedRows.wordCount(codes: rows, bits: bits), groups])
    )
  }

  private func integers(_ name: String, _ shape: Shape) throws -> Tensor<Int32> {
    let tensor = try catalog.tensor(name, as: Int32.self)
    try check(name, tensor.shape, shape)
    return tensor
  }

  private func steps(_ name: String, _ shape: Shape) throws -> Tensor<Float> {
    let tensor = try catalog.floats(name)
    try check(name, tensor.shape, shape)
    guard tensor.withUnsafeElements({ $0.allSatisfy { $0.isFinite } }) else {
      throw invalid(name, "holds a step size that is not finite")
    }
    return tensor
  }

  private func check(_ name: String, _ found: Shape, _ expected: Shape) throws {
    guard found != expected else { return }
    throw CheckpointError.shapeMismatch(
      path: catalog.path,
      name: name,
      expected: expected.extents,
      found: found.extents
    )
  }

  private func invalid(_ name: String, _ reason: String) -> QuantizationError {
    .invalidTensor(name, path: catalog.path, reason: reason)
  }
}
