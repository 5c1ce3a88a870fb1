public import Tensor

/// A dense linear layer that is not trained: y = x Wᵀ + b, W as its file stores it.
///
/// The weight may be half precision or a view of a mapped file. Gradients flow through the layer to
/// its input, never to the weight.
///
/// - Shapes: weight [N × K] in any floating storage, bias [N] or none, x [… × K], y [… × N].
public final class FrozenLinear: LinearLayer {
  /// W [N × K], outputs by inputs, as checkpoints store it.
  public let weight: WeightMatrix
  /// b [N], or nil.
  public let bias: Tensor<Float>?

  /// A layer over a weight [N × K] and a bias [N].
  public init(weight: WeightMatrix, bias: Tensor<Float>? = nil) {
    if let bias {
      expect(
        bias.shape == [weight.rowCount],
        "linear: the bias must match the weight's rows, \(weight.shape) · \(bias.shape)"
      )
    }
    self.weight = weight
    self.bias = bias
  }

  /// K.
  public var inputWidth: Int { weight.columnCount }
  /// N.
  public var outputWidth: Int { weight.rowCount }

  /// x Wᵀ + b; x [… × K], result [… × N].
  public func callAsFunction(_ input: Tensor<Float>) -> Tensor<Float> {
    weight.product(with: input, bias: bias)
  }

  /// x Wᵀ + b with the gradient of x; x [… × K], result [… × N].
  public func callAsFunction(_ input: Variable) -> Variable {
    let weight = weight
    return .custom(self(input.value), input: input) { gradient in
      weight.inputGradient(gradient)
    }
  }

  /// The rows `indices` of W as floats.
  public func weightRows(_ indices: [Int32]) -> Tensor<Float> { weight.rows(indices) }
}
