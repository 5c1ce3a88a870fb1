public import Autograd
public import Checkpoints
public import Tensor

/// A model's weights out of named tensors in floating point, as they are stored.
///
/// Matrices stay views of the file where it holds floats, half or bfloat16 numbers: building a model
/// copies nothing of them.
public struct DenseWeights: WeightSource {
  /// The tensors.
  public let catalog: any TensorCatalog

  /// The weights in `catalog`.
  public init(_ catalog: any TensorCatalog) { self.catalog = catalog }

  /// Whether the catalog holds a tensor of that name.
  public func contains(_ name: String) -> Bool { catalog.describe(name) != nil }

  /// A tensor of floats of the given shape.
  public func tensor(_ name: String, shape: Shape) throws -> Tensor<Float> {
    let tensor = try catalog.floats(name)
    try check(name, found: tensor.shape, expected: shape)
    return tensor
  }

  /// The linear layer whose weight and bias are `name` + ".weight" and ".bias".
  public func linear(
    _ name: String,
    outputWidth: Int,
    inputWidth: Int,
    hasBias: Bool
  ) throws -> any LinearLayer {
    let weight = try catalog.weightMatrix(name + ".weight")
    try check(name + ".weight", found: weight.shape, expected: [outputWidth, inputWidth])
    let bias = hasBias ? try tensor(name + ".bias", shape: [outputWidth]) : nil
    return FrozenLinear(weight: weight, bias: bias)
  }

  private func check(_ name: String, found: Shape, expected: Shape) throws(CheckpointError) {
    guard found == expected else {
      throw .shapeMismatch(
        path: catalog.path,
        name: name,
        expected: expected.extents,
        found: found.extents
      )
    }
  }
}
