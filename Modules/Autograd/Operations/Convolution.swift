public import Tensor

/// The cross-correlation of images with a weight; see `conv2d` for tensors.
///
///     dx = weightᵀ ∗ dy      dW = dy · x      db = Σ dy
///
/// - Shapes: x [N × I × H × W], weight [O × I/groups × kH × kW], bias [O] or nil, result
///   [N × O × h × w] with h = (H + 2·padding − dilation·(kH − 1) − 1) / stride + 1, rounded down.
public func conv2d(
  _ x: Variable,
  weight: Variable,
  bias: Variable? = nil,
  options: ConvolutionOptions = ConvolutionOptions()
) -> Variable {
  let product = Convolution(
    of: x.shape,
    by: weight.shape,
    bias: bias?.shape,
    options: options
  )
  let (image, w) = (x.value, weight.value)
  let features = product.features(image: image, weight: w, bias: bias?.value)
  let variables = bias.map { [x, weight, $0] } ?? [x, weight]
  return Variable.recorded(features, inputs: variables) { gradient, inputs in
    inputs.pass(to: 0, product.image(features: gradient, weight: w, bias: nil))
    inputs.pass(to: 1, product.weight(image: image, features: gradient))
    inputs.pass(to: 2, gradient.channelSums())
  }
}

/// The transposed convolution; see `convTranspose2d` for tensors.
///
/// - Shapes: x [N × I × h × w], weight [I × O/groups × kH × kW], bias [O] or nil, result
///   [N × O × H × W] with
///   H = (h − 1)·stride − 2·padding + dilation·(kH − 1) + 1 + outputPadding.
public func convTranspose2d(
  _ x: Variable,
  weight: Variable,
  bias: Variable? = nil,
  options: ConvolutionOptions = ConvolutionOptions(),
  outputPadding: PlaneExtent = 0
) -> Variable {
  let product = Convolution(
    transposedOf: x.shape,
    by: weight.shape,
    bias: bias?.shape,
    options: options,
    outputPadding: outputPadding
  )
  let (features, w) = (x.value, weight.value)
  let image = product.image(features: features, weight: w, bias: bias?.value)
  let variables = bias.map { [x, weight, $0] } ?? [x, weight]
  return Variable.recorded(image, inputs: variables) { gradient, inputs in
    inputs.pass(to: 0, product.features(image: gradient, weight: w, bias: nil))
    inputs.pass(to: 1, product.weight(image: gradient, features: features))
    inputs.pass(to: 2, gradient.channelSums())
  }
}

/// A convolution along the last axis; of the options the widths count.
///
/// - Shapes: x [N × I × L], weight [O × I/groups × k], bias [O] or nil, result [N × O × l].
public func conv1d(
  _ x: Variable,
  weight: Variable,
  bias: Variable? = nil,
  options: ConvolutionOptions = ConvolutionOptions()
) -> Variable {
  let y = conv2d(
    x.asImages("conv1d", weight),
    weight: weight.asImages("conv1d", x),
    bias: bias,
    options: options.alongWidth
  )
  return y.reshaped(to: [y.shape[0], y.shape[1], y.shape[3]])
}

/// A transposed convolution along the last axis; of the options the widths count.
///
/// - Shapes: x [N × I × l], weight [I × O/groups × k], bias [O] or nil, result [N × O × L].
public func convTranspose1d(
  _ x: Variable,
  weight: Variable,
  bias: Variable? = nil,
  options: ConvolutionOptions = ConvolutionOptions(),
  outputPadding: Int = 0
) -> Variable {
  let y = convTranspose2d(
    x.asImages("conv transpose1d", weight),
    weight: weight.asImages("conv transpose1d", x),
    bias: bias,
    options: options.alongWidth,
    outputPadding: PlaneExtent(height: 0, width: outputPadding)
  )
  return y.reshaped(to: [y.shape[0], y.shape[1], y.shape[3]])
}

extension Variable {
  /// Sequences [N × C × L] as images of one row.
  fileprivate func asImages(_ name: String, _ other: Variable) -> Variable {
    expect(rank == 3, "\(name): three axes are needed, \(shape) · \(other.shape)")
    return reshaped(to: [shape[0], shape[1], 1, shape[2]])
  }
}
