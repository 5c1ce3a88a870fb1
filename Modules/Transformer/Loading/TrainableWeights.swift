public import Autograd
public import Checkpoints
public import Tensor

/// A model's weights as parameters that training changes: copies in memory, as floats.
public struct TrainableWeights: WeightSource {
  private let dense: DenseWeights

  /// The weights in `catalog`.
  public init(_ catalog: any TensorCatalog) { dense = DenseWeights(catalog) }

  /// Whether the catalog holds a tensor of that name.
  public func contains(_ name: String) -> Bool { dense.contains(name) }

  /// A tensor of floats of the given shape.
  public func tensor(_ name: String, shape: Shape) throws -> Tensor<Float> {
    try dense.tensor(name, shape: shape)
  }

  /// The tensor as a parameter.
  public func parameter(
    _ name: String,
    shape: Shape,
    initial: Initializer
  ) throws -> Parameter {
    Parameter(try tensor(name, shape: shape))
  }

  /// The linear layer whose weight and bias are `name` + ".weight" and ".bias".
  public func linear(
    _ name: String,
    outputWidth: Int,
    inputWidth: Int,
    hasBias: Bool
  ) throws -> any LinearLayer {
    let weight = try tensor(name + ".weight", shape: [outputWidth, inputWidth])
    let bias = hasBias ? try tensor(name + ".bias", shape: [outputWidth]) : nil
    return Linear(weight: Parameter(weight), bias: bias.map { Parameter($0) })
  }
}
