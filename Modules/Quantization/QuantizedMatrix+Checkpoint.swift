public import Checkpoints
public import Tensor

// How a matrix lies in a checkpoint: see `QuantizedWeights`, which reads it.
extension QuantizedMatrix {
  /// Reads the matrix of a layer, as `write(to:named:)` has written it.
  ///
  /// - Parameters:
  ///   - layer: the name of the layer.
  ///   - shape: [N × K].
  ///   - scheme: what its codes mean.
  ///   - catalog: where it lies.
  /// - Throws: `QuantizationError.invalidTensor` or `CheckpointError` if a part is missing, shaped
  ///   otherwise or out of range.
  public init(
    named layer: String,
    shape: Shape,
    scheme: WeightScheme,
    in catalog: any TensorCatalog
  ) throws {
    self = try QuantizedWeights.matrix(layer, shape: shape, scheme: scheme, in: catalog)
  }

  /// The tensors that this matrix becomes, for the header of a file.
  public func declarations(named layer: String) -> [SafetensorsDeclaration] {
    Self.declarations(
      of: shape,
      scheme: scheme,
      hasInputOrder: inputOrder != nil,
      named: layer
    )
  }

  /// Writes the tensors that `declarations(named:)` announced.
  public func write(to writer: SafetensorsWriter, named layer: String) throws {
    try writer.write(words, named: layer + QuantizedWeights.wordsSuffix)
    let scales = layer + QuantizedWeights.scalesSuffix
    switch scheme.scaleType {
    case .float32: try writer.write(stepSizes, named: scales)
    case .float16: try writer.write(Tensor<Float16>(converting: stepSizes), named: scales)
    }
    if let zeroPoints {
      try writer.write(zeroPoints, named: layer + QuantizedWeights.zerosSuffix)
    }
    if let inputOrder {
      try writer.write(inputOrder, named: layer + QuantizedWeights.orderSuffix)
    }
  }

  /// The tensors of a matrix of that shape.
  static func declarations(
    of shape: Shape,
    scheme: WeightScheme,
    hasInputOrder: Bool,
    named layer: String
  ) -> [SafetensorsDeclaration] {
    func part(_ suffix: String, _ type: ElementType, _ shape: Shape) -> SafetensorsDeclaration {
      SafetensorsDeclaration(name: layer + suffix, type: SafetensorsType(type), shape: shape)
    }
    let scaleShape = scheme.granularity.scaleShape(for: shape)
    let width = PackedRows.wordCount(codes: shape[1], bits: scheme.grid.bits)
    let scaleType: ElementType = scheme.scaleType == .float16 ? .float16 : .float32
    var parts = [
      part(QuantizedWeights.wordsSuffix, .int32, [shape[0], width]),
      part(QuantizedWeights.scalesSuffix, scaleType, scaleShape),
    ]
    if !scheme.grid.isSymmetric {
      parts.append(part(QuantizedWeights.zerosSuffix, .uint8, scaleShape))
    }
    if hasInputOrder { parts.append(part(QuantizedWeights.orderSuffix, .int32, [shape[1]])) }
    return parts
  }
}
