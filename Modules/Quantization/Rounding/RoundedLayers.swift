public import Autograd
public import Tensor

/// A linear layer whose weight is rounded as its parameters say: y = x Ŵᵀ + b.
///
/// What a reconstruction trains in the place of a dense layer. `packed()` is what it leaves.
///
/// - Shapes: Ŵ [N × K], b [N] or nil, x [… × K], y [… × N].
public final class RoundedLinear: LinearLayer {
  /// Ŵ.
  public let rounding: any LearnedRounding
  /// b, which is not trained; or nil.
  public let bias: Tensor<Float>?
  /// What x passes through first; nil for x as it is.
  public var inputQuantizer: (any ActivationQuantizer)?

  /// A layer over a rounding of a matrix [N × K] and a bias [N].
  public init(
    _ rounding: any LearnedRounding,
    bias: Tensor<Float>? = nil,
    inputQuantizer: (any ActivationQuantizer)? = nil
  ) {
    let shape = rounding.weight.shape
    expect(shape.rank == 2, "rounded linear: the weight must be a matrix, found \(shape)")
    if let bias {
      expect(
        bias.shape == [shape[0]],
        "rounded linear: the bias must match the weight's rows, \(shape) · \(bias.shape)"
      )
    }
    self.rounding = rounding
    self.bias = bias
    self.inputQuantizer = inputQuantizer
  }

  /// K.
  public var inputWidth: Int { rounding.weight.shape[1] }
  /// N.
  public var outputWidth: Int { rounding.weight.shape[0] }

  /// x Ŵᵀ + b without gradients; x [… × K], result [… × N].
  public func callAsFunction(_ input: Tensor<Float>) -> Tensor<Float> {
    withoutGradients { self(Variable(input)).value }
  }

  /// x Ŵᵀ + b; x [… × K], result [… × N].
  public func callAsFunction(_ input: Variable) -> Variable {
    let x = inputQuantizer.map { $0(input) } ?? input
    return linear(x, weight: rounding(), bias: bias.map { Variable($0) })
  }

  /// The rows `indices` of Ŵ as floats.
  public func weightRows(_ indices: [Int32]) -> Tensor<Float> {
    withoutGradients { rounding().value }.rows(indices)
  }

  /// The layer over the codes of now.
  public func packed() -> PackedLinear {
    PackedLinear(weight: rounding.quantized(), bias: bias, inputQuantizer: inputQuantizer)
  }
}

/// A convolution whose weight is rounded as its parameters say.
///
/// - Shapes: Ŵ [O × I/groups × kH × kW], b [O] or nil, x [N × I × H × W], y [N × O × h × w].
public final class RoundedConv2d: ConvolutionLayer {
  /// Ŵ.
  public let rounding: any LearnedRounding
  /// b, which is not trained; or nil.
  public let bias: Tensor<Float>?
  /// Stride, padding, dilation and groups.
  public let options: ConvolutionOptions
  /// What x passes through first; nil for x as it is.
  public var inputQuantizer: (any ActivationQuantizer)?

  /// A layer over a rounding of a weight of four axes and a bias [O].
  public init(
    _ rounding: any LearnedRounding,
    bias: Tensor<Float>? = nil,
    options: ConvolutionOptions = ConvolutionOptions(),
    inputQuantizer: (any ActivationQuantizer)? = nil
  ) {
    let shape = rounding.weight.shape
    expect(shape.rank == 4, "rounded conv2d: a weight of four axes is needed, \(shape)")
    self.rounding = rounding
    self.bias = bias
    self.options = options
    self.inputQuantizer = inputQuantizer
  }

  /// I.
  public var inputChannels: Int { rounding.weight.shape[1] * options.groups }
  /// O.
  public var outputChannels: Int { rounding.weight.shape[0] }

  /// The features of images [N × I × H × W].
  public func callAsFunction(_ input: Variable) -> Variable {
    let x = inputQuantizer.map { $0(input) } ?? input
    return conv2d(
      x,
      weight: rounding(),
      bias: bias.map { Variable($0) },
      options: options
    )
  }

  /// The layer over the codes of now.
  public func packed() -> PackedConv2d {
    PackedConv2d(
      weight: rounding.quantized(),
      kernelShape: rounding.weight.shape,
      bias: bias,
      options: options,
      inputQuantizer: inputQuantizer
    )
  }
}
