public import Autograd
public import Tensor

/// A convolution that holds packed codes and expands them when it computes.
///
/// - Shapes: codes [O × (I/groups · kH · kW)], b [O] or nil, x [N × I × H × W], y [N × O × h × w].
public final class PackedConv2d: ConvolutionLayer {
  /// Ŵ as a matrix.
  public let weight: QuantizedMatrix
  /// [O × I/groups × kH × kW].
  public let kernelShape: Shape
  /// b, or nil.
  public let bias: Tensor<Float>?
  /// Stride, padding, dilation and groups.
  public let options: ConvolutionOptions
  /// What x passes through first; nil for x as it is.
  public var inputQuantizer: (any ActivationQuantizer)?

  /// A layer over a quantized weight of `kernelShape` and a bias [O].
  public init(
    weight: QuantizedMatrix,
    kernelShape: Shape,
    bias: Tensor<Float>? = nil,
    options: ConvolutionOptions = ConvolutionOptions(),
    inputQuantizer: (any ActivationQuantizer)? = nil
  ) {
    expect(
      kernelShape.rank == 4 && kernelShape[0] == weight.shape[0]
        && kernelShape.count == weight.shape.count,
      "packed conv2d: \(weight.shape) does not hold a weight \(kernelShape)"
    )
    self.weight = weight
    self.kernelShape = kernelShape
    self.bias = bias
    self.options = options
    self.inputQuantizer = inputQuantizer
  }

  /// I.
  public var inputChannels: Int { kernelShape[1] * options.groups }
  /// O.
  public var outputChannels: Int { kernelShape[0] }

  /// The features of images [N × I × H × W], with the gradient of the images.
  public func callAsFunction(_ input: Variable) -> Variable {
    conv2d(
      inputQuantizer.map { $0(input) } ?? input,
      weight: Variable(weight.dequantized().reshaped(to: kernelShape)),
      bias: bias.map { Variable($0) },
      options: options
    )
  }
}
