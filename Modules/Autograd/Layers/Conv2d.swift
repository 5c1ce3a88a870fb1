public import Tensor

/// The dense trainable convolution of images.
///
/// - Shapes: weight [O × I/groups × kH × kW], bias [O] or none, x [N × I × H × W], y [N × O × h × w];
///   see `conv2d` for h and w.
public final class Conv2d: ConvolutionLayer {
  /// W [O × I/groups × kH × kW].
  public let weight: Parameter
  /// b [O], or nil.
  public let bias: Parameter?
  /// Stride, padding, dilation and groups.
  public let options: ConvolutionOptions

  /// A layer over a weight [O × I/groups × kH × kW] and a bias [O].
  public init(
    weight: Parameter,
    bias: Parameter? = nil,
    options: ConvolutionOptions = ConvolutionOptions()
  ) {
    expect(weight.shape.rank == 4, "conv2d: a weight of four axes is needed, \(weight.shape)")
    self.weight = weight
    self.bias = bias
    self.options = options
  }

  /// A layer that starts from random numbers: torch's start, U(±1/√(I/groups · kH · kW)) for both.
  ///
  /// - Parameters:
  ///   - inputChannels: I, divisible by the groups of `options`.
  ///   - outputChannels: O, divisible by the groups of `options`.
  ///   - kernel: the extents of the kernel.
  ///   - options: stride, padding, dilation and groups.
  ///   - hasBias: whether there is a b.
  ///   - generator: the source of the random numbers.
  public convenience init(
    inputChannels: Int,
    outputChannels: Int,
    kernel: PlaneExtent,
    options: ConvolutionOptions = ConvolutionOptions(),
    hasBias: Bool = true,
    using generator: inout Philox
  ) {
    expect(
      inputChannels % options.groups == 0 && outputChannels % options.groups == 0,
      "conv2d: \(options.groups) groups divide \(inputChannels) · \(outputChannels) channels badly"
    )
    let width = inputChannels / options.groups
    let shape: Shape = [outputChannels, width, kernel.height, kernel.width]
    let weight = Initializer.layerDefault(shape, using: &generator)
    let bound = Initializer.biasBound(fanIn: width * kernel.height * kernel.width)
    let bias =
      hasBias
      ? Tensor.uniform([outputChannels], from: -bound, to: bound, using: &generator) : nil
    self.init(weight: Parameter(weight), bias: bias.map { Parameter($0) }, options: options)
  }

  /// I.
  public var inputChannels: Int { weight.shape[1] * options.groups }
  /// O.
  public var outputChannels: Int { weight.shape[0] }

  /// The features of images [N × I × H × W].
  public func callAsFunction(_ input: Variable) -> Variable {
    conv2d(input, weight: weight.variable, bias: bias?.variable, options: options)
  }
}
