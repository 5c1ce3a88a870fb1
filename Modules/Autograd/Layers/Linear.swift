public import Tensor

/// The dense trainable linear layer: y = x Wᵀ + b.
///
/// - Shapes: weight [N × K], bias [N] or none, x [… × K], y [… × N].
public final class Linear: LinearLayer {
  /// W [N × K], outputs by inputs, as checkpoints store it.
  public let weight: Parameter
  /// b [N], or nil.
  public let bias: Parameter?

  /// A layer over a weight [N × K] and a bias [N].
  public init(weight: Parameter, bias: Parameter? = nil) {
    expect(weight.shape.rank == 2, "linear: the weight must be a matrix, found \(weight.shape)")
    if let bias {
      expect(
        bias.shape == [weight.shape[0]],
        "linear: the bias must match the weight's rows, \(weight.shape) · \(bias.shape)"
      )
    }
    self.weight = weight
    self.bias = bias
  }

  /// A layer that starts from random numbers.
  ///
  /// The default start is torch's: W from U(±1/√K), which is Kaiming's uniform bound for a = √5,
  /// and b from U(±1/√K).
  ///
  /// - Parameters:
  ///   - inputWidth: K.
  ///   - outputWidth: N.
  ///   - hasBias: whether there is a b.
  ///   - initializer: what W starts from.
  ///   - generator: the source of the random numbers.
  public convenience init(
    inputWidth: Int,
    outputWidth: Int,
    hasBias: Bool = true,
    initializer: Initializer = .layerDefault,
    using generator: inout Philox
  ) {
    let weight = initializer([outputWidth, inputWidth], using: &generator)
    let bound = Initializer.biasBound(fanIn: inputWidth)
    let bias =
      hasBias
      ? Tensor.uniform([outputWidth], from: -bound, to: bound, using: &generator) : nil
    self.init(weight: Parameter(weight), bias: bias.map { Parameter($0) })
  }

  /// K.
  public var inputWidth: Int { weight.shape[1] }
  /// N.
  public var outputWidth: Int { weight.shape[0] }

  /// x Wᵀ + b without gradients; x [… × K], result [… × N].
  public func callAsFunction(_ input: Tensor<Float>) -> Tensor<Float> {
    input.linear(weight: weight.value, bias: bias?.value)
  }

  /// x Wᵀ + b; x [… × K], result [… × N].
  public func callAsFunction(_ input: Variable) -> Variable {
    linear(input, weight: weight.variable, bias: bias?.variable)
  }

  /// The rows `indices` of W as floats.
  public func weightRows(_ indices: [Int32]) -> Tensor<Float> { weight.value.rows(indices) }

  /// The rows `ids` of W, with its gradient.
  public func embedding(of ids: Tensor<Int32>) -> Variable {
    weight.variable.embedding(of: ids)
  }
}
