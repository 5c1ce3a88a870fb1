import Tensor

/// Normalization of the last axis: y = weight ⊙ (x − mean) / √(variance + epsilon) + bias.
///
/// - Shapes: weight and bias [N] or none, x and y [… × N].
/// - Source: Ba, Kiros and Hinton 2016, "Layer Normalization".
public final class LayerNorm: Module, Layer {
  /// The scale of each column [N], or nil for 1.
  public let weight: Parameter?
  /// The shift of each column [N], or nil for 0.
  public let bias: Parameter?
  /// N.
  public let width: Int
  /// What is added to the variance.
  public let epsilon: Float

  /// A layer over weights [N] and shifts [N].
  public init(weight: Parameter, bias: Parameter? = nil, epsilon: Float = 1e-5) {
    expect(
      weight.shape.rank == 1 && bias.map { $0.shape == weight.shape } != false,
      "layer norm: one scale and shift a column are needed, found \(weight.shape) · "
        + "\(bias?.shape ?? [])"
    )
    self.weight = weight
    self.bias = bias
    width = weight.count
    self.epsilon = epsilon
  }

  /// A layer of weights 1 and shifts 0.
  ///
  /// - Parameters:
  ///   - width: N, the extent of the last axis.
  ///   - epsilon: what is added to the variance; torch's 1e-5 by default.
  ///   - isAffine: whether there are parameters at all.
  ///   - hasBias: whether the parameters include shifts.
  public init(
    width: Int,
    epsilon: Float = 1e-5,
    isAffine: Bool = true,
    hasBias: Bool = true
  ) {
    expect(width > 0, "layer norm: a width of \(width)")
    weight = isAffine ? Parameter(.ones([width])) : nil
    bias = isAffine && hasBias ? Parameter(.zeros([width])) : nil
    self.width = width
    self.epsilon = epsilon
  }

  /// The normalized input; of the same shape, [… × N].
  public func callAsFunction(_ input: Variable) -> Variable {
    expectLastAxis(input.shape, width, "layer norm")
    return input.layerNormalized(
      weight: weight?.variable,
      bias: bias?.variable,
      epsilon: epsilon
    )
  }
}

/// Stops unless the last axis has the extent that a layer was made for.
func expectLastAxis(_ shape: Shape, _ width: Int, _ operation: String) {
  expect(
    shape.rank > 0 && shape[-1] == width,
    "\(operation): the last axis does not fit, \(shape) · [\(width)]"
  )
}
