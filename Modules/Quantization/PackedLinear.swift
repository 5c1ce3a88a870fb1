public import Autograd
public import Tensor

/// A linear layer that computes from packed codes: y = x Ŵᵀ + b, Ŵ never written out.
///
/// - Shapes: Ŵ [N × K], b [N] or nil, x [… × K], y [… × N].
public final class PackedLinear: LinearLayer {
  /// Ŵ.
  public let weight: QuantizedMatrix
  /// b, or nil.
  public let bias: Tensor<Float>?
  /// What x passes through first; nil for x as it is.
  public var inputQuantizer: (any ActivationQuantizer)?

  /// A layer over a quantized weight [N × K] and a bias [N].
  public init(
    weight: QuantizedMatrix,
    bias: Tensor<Float>? = nil,
    inputQuantizer: (any ActivationQuantizer)? = nil
  ) {
    if let bias {
      expect(
        bias.shape == [weight.shape[0]],
        "packed linear: the bias must match the weight's rows, \(weight.shape) · \(bias.shape)"
      )
    }
    self.weight = weight
    self.bias = bias
    self.inputQuantizer = inputQuantizer
  }

  /// K.
  public var inputWidth: Int { weight.shape[1] }
  /// N.
  public var outputWidth: Int { weight.shape[0] }

  /// x Ŵᵀ + b; x [… × K], result [… × N].
  public func callAsFunction(_ input: Tensor<Float>) -> Tensor<Float> {
    guard let inputQuantizer else { return weight.product(with: input, bias: bias) }
    let x = withoutGradients { inputQuantizer(Variable(input)).value }
    return weight.product(with: x, bias: bias)
  }

  /// x Ŵᵀ + b with the gradient of x; x [… × K], result [… × N].
  ///
  /// The codes are not trained. The backward pass reads them as the forward pass does.
  public func callAsFunction(_ input: Variable) -> Variable {
    let weight = weight
    let x = inputQuantizer.map { $0(input) } ?? input
    return .custom(weight.product(with: x.value, bias: bias), input: x) { gradient in
      weight.inputGradient(gradient)
    }
  }

  /// The rows `indices` of Ŵ as floats.
  public func weightRows(_ indices: [Int32]) -> Tensor<Float> { weight.rows(indices) }
}
