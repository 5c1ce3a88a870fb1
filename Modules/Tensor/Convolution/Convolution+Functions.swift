/// The cross-correlation of images with a weight: what deep learning calls a convolution.
///
///     y[n, o, i, j] = b[o] + Σ w[o, c, p, q] · x[n, c, i·stride + p·dilation − padding, j …]
///
/// - Shapes: x [N × I × H × W], weight [O × I/groups × kH × kW], bias [O] or nil, result
///   [N × O × h × w] with h = (H + 2·padding − dilation·(kH − 1) − 1) / stride + 1, rounded down.
public func conv2d(
  _ x: Tensor<Float>,
  weight: Tensor<Float>,
  bias: Tensor<Float>? = nil,
  options: ConvolutionOptions = ConvolutionOptions()
) -> Tensor<Float> {
  Convolution(of: x.shape, by: weight.shape, bias: bias?.shape, options: options)
    .features(image: x, weight: weight, bias: bias)
}

/// The transposed convolution: the gradient of `conv2d` by its input, as an operation.
///
/// - Shapes: x [N × I × h × w], weight [I × O/groups × kH × kW], bias [O] or nil, result
///   [N × O × H × W] with
///   H = (h − 1)·stride − 2·padding + dilation·(kH − 1) + 1 + outputPadding.
public func convTranspose2d(
  _ x: Tensor<Float>,
  weight: Tensor<Float>,
  bias: Tensor<Float>? = nil,
  options: ConvolutionOptions = ConvolutionOptions(),
  outputPadding: PlaneExtent = 0
) -> Tensor<Float> {
  Convolution(
    transposedOf: x.shape,
    by: weight.shape,
    bias: bias?.shape,
    options: options,
    outputPadding: outputPadding
  ).image(features: x, weight: weight, bias: bias)
}

/// A convolution along the last axis; of the options the widths count.
///
/// - Shapes: x [N × I × L], weight [O × I/groups × k], bias [O] or nil, result [N × O × l].
public func conv1d(
  _ x: Tensor<Float>,
  weight: Tensor<Float>,
  bias: Tensor<Float>? = nil,
  options: ConvolutionOptions = ConvolutionOptions()
) -> Tensor<Float> {
  let (x, weight) = (x.asImages("conv1d", weight), weight.asImages("conv1d", x))
  return Convolution(
    of: x.shape,
    by: weight.shape,
    bias: bias?.shape,
    options: options.alongWidth,
    name: "conv1d"
  ).features(image: x, weight: weight, bias: bias).asSequences
}

/// A transposed convolution along the last axis; of the options the widths count.
///
/// - Shapes: x [N × I × l], weight [I × O/groups × k], bias [O] or nil, result [N × O × L].
public func convTranspose1d(
  _ x: Tensor<Float>,
  weight: Tensor<Float>,
  bias: Tensor<Float>? = nil,
  options: ConvolutionOptions = ConvolutionOptions(),
  outputPadding: Int = 0
) -> Tensor<Float> {
  let name = "conv transpose1d"
  let (x, weight) = (x.asImages(name, weight), weight.asImages(name, x))
  return Convolution(
    transposedOf: x.shape,
    by: weight.shape,
    bias: bias?.shape,
    options: options.alongWidth,
    outputPadding: PlaneExtent(height: 0, width: outputPadding),
    name: name
  ).image(features: x, weight: weight, bias: bias).asSequences
}

extension Tensor where Element == Float {
  /// Sequences [N × C × L] as images of one row.
  fileprivate func asImages(_ name: String, _ other: Tensor) -> Tensor {
    expect(rank == 3, "\(name): three axes are needed, \(shape) · \(other.shape)")
    return reshaped(to: [shape[0], shape[1], 1, shape[2]])
  }

  /// Images of one row as sequences.
  fileprivate var asSequences: Tensor { reshaped(to: [shape[0], shape[1], shape[3]]) }
}
