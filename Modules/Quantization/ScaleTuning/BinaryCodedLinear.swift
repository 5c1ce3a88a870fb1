public import Autograd
public import Tensor

/// A linear layer that computes from binary codes: y = x Ŵᵀ + b, Ŵ never written out.
///
/// - Shapes: Ŵ [N × K], b [N] or nil, x [… × K], y [… × N].
public final class BinaryCodedLinear: LinearLayer {
  /// Ŵ.
  public let weight: BinaryCodedMatrix
  /// b, or nil.
  public let bias: Tensor<Float>?

  /// A layer over binary codes [N × K] and a bias [N].
  public init(weight: BinaryCodedMatrix, bias: Tensor<Float>? = nil) {
    if let bias {
      expect(
        bias.shape == [weight.shape[0]],
        "binary-coded linear: the bias must match the weight's rows, "
          + "\(weight.shape) · \(bias.shape)"
      )
    }
    self.weight = weight
    self.bias = bias
  }

  /// K.
  public var inputWidth: Int { weight.shape[1] }
  /// N.
  public var outputWidth: Int { weight.shape[0] }

  /// x Ŵᵀ + b; x [… × K], result [… × N].
  public func callAsFunction(_ input: Tensor<Float>) -> Tensor<Float> {
    weight.product(with: input, bias: bias)
  }

  /// x Ŵᵀ + b with the gradient of x; x [… × K], result [… × N].
  ///
  /// The codes are not trained. The backward pass reads them as the forward pass does.
  public func callAsFunction(_ input: Variable) -> Variable {
    let weight = weight
    return .custom(weight.product(with: input.value, bias: bias), input: input) { gradient in
      weight.inputGradient(gradient)
    }
  }

  /// The rows `indices` of Ŵ as floats.
  public func weightRows(_ indices: [Int32]) -> Tensor<Float> { weight.rows(indices) }
}
