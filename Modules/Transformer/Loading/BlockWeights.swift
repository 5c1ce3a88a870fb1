public import Autograd
public import Checkpoints
public import Tensor

/// A model's weights out of low-bit blocks, such as those of a GGUF file, as they are.
///
/// They are interleaved for the kernels and never written out as floats. What is stored otherwise is
/// dense.
public struct BlockWeights: WeightSource {
  /// The tensors.
  public let catalog: any TensorCatalog
  /// The largest relative error of an input's rounding; 0 for the precision of floats.
  public let tolerance: Float
  private let dense: DenseWeights

  /// The weights in `catalog`.
  public init(
    _ catalog: any TensorCatalog,
    tolerance: Float = InterleavedLinear.usualTolerance
  ) {
    self.catalog = catalog
    self.tolerance = tolerance
    dense = DenseWeights(catalog)
  }

  /// Whether the catalog holds a tensor of that name.
  public func contains(_ name: String) -> Bool { dense.contains(name) }

  /// A tensor of floats of the given shape.
  public func tensor(_ name: String, shape: Shape) throws -> Tensor<Float> {
    try dense.tensor(name, shape: shape)
  }

  /// The layer over the blocks of `name` + ".weight", or the dense one if it has none.
  public func linear(
    _ name: String,
    outputWidth: Int,
    inputWidth: Int,
    hasBias: Bool
  ) throws -> any LinearLayer {
    guard let matrix = try catalog.interleavedMatrix(name + ".weight", rowOrder: nil),
      matrix.shape == [outputWidth, inputWidth]
    else {
      return try dense.linear(
        name,
        outputWidth: outputWidth,
        inputWidth: inputWidth,
        hasBias: hasBias
      )
    }
    return InterleavedLinear(
      weight: matrix,
      bias: hasBias ? try tensor(name + ".bias", shape: [outputWidth]) : nil,
      tolerance: tolerance
    )
  }
}
