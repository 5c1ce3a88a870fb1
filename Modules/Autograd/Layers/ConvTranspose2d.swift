public import Tensor

/// The dense trainable transposed convolution: images from features.
///
/// - Shapes: weight [I × O/groups × kH × kW], bias [O] or none, x [N × I × h × w], y [N × O × H × W];
///   see `convTranspose2d` for H and W.
public final class ConvTranspose2d: ConvolutionLayer {
  /// W [I × O/groups × kH × kW].
  public let weight: Parameter
  /// b [O], or nil.
  public let bias: Parameter?
  /// Stride, padding, dilation and groups.
  public let options: ConvolutionOptions
  /// Rows and columns that the result has more, of those that the stride leaves open.
  public let outputPadding: PlaneExtent

  /// A layer over a weight [I × O/groups × kH × kW] and a bias [O].
  public init(
    weight: Parameter,
    bias: Parameter? = nil,
    options: ConvolutionOptions = ConvolutionOptions(),
    outputPadding: PlaneExtent = 0
  ) {
    expect(
      weight.shape.rank == 4,
      "conv transpose2d: a weight of four axes is needed, \(weight.shape)"
    )
    self.weight = weight
    self.bias = bias
    self.options = options
    self.outputPadding = outputPadding
  }

  /// A layer that starts from random numbers: torch's start, U(±1/√(O/groups · kH · kW)) for both.
  ///
  /// - Parameters:
  ///   - inputChannels: I, divisible by the groups of `options`.
  ///   - outputChannels: O, divisible by the groups of `options`.
  ///   - kernel: the extents of the kernel.
  ///   - options: stride, padding, dilation and groups.
  ///   - outputPadding: rows and columns that the result has more.
  ///   - hasBias: whether there is a b.
  ///   - generator: the source of the random numbers.
  public convenience init(
    inputChannels: Int,
    outputChannels: Int,
    kernel: PlaneExtent,
    options: ConvolutionOptions = ConvolutionOptions(),
    outputPadding: PlaneExtent = 0,
    hasBias: Bool = true,
    using generator: inout Philox
  ) {
    expect(
      inputChannels % options.groups == 0 && outputChannels % options.groups == 0,
      "conv transpose2d: \(options.groups) groups divide "
        + "\(inputChannels) · \(outputChannels) channels badly"
    )
    let width = outputChannels / options.groups
    let shape: Shape = [inputChannels, width, kernel.height, kernel.width]
    let weight = Initializer.layerDefault(shape, using: &generator)
    let bound = Initializer.biasBound(fanIn: width * kernel.height * kernel.width)
    let bias =
      hasBias
      ? Tensor.uniform([outputChannels], from: -bound, to: bound, using: &generator) : nil
    self.init(
      weight: Parameter(weight),
      bias: bias.map { Parameter($0) },
      options: options,
      outputPadding: outputPadding
    )
  }

  /// I.
  public var inputChannels: Int { weight.shape[0] }
  /// O.
  public var outputChannels: Int { weight.shape[1] * options.groups }

  /// The images of features [N × I × h × w].
  public func callAsFunction(_ input: Variable) -> Variable {
    convTranspose2d(
      input,
      weight: weight.variable,
      bias: bias?.variable,
      options: options,
      outputPadding: outputPadding
    )
  }
}
