public import Tensor

/// The largest element under each place of a window; it gets the gradient.
///
/// See `maxPool2d` for tensors: the first of equal elements counts, and NaN is largest.
///
/// - Shapes: x [N × C × H × W], result [N × C × h × w] with
///   h = (H + 2·padding − dilation·(size − 1) − 1) / stride + 1, rounded down.
public func maxPool2d(
  _ x: Variable,
  size: PlaneExtent,
  stride: PlaneExtent? = nil,
  padding: PlaneExtent = 0,
  dilation: PlaneExtent = 1
) -> Variable {
  let pooling = MaxPooling(
    of: x.shape,
    size: size,
    stride: stride,
    padding: padding,
    dilation: dilation
  )
  let (values, indices) = pooling.pooled(x.value)
  return Variable.recorded(values, x) { gradient, inputs in
    inputs.pass(to: 0, pooling.gradient(gradient, indices: indices))
  }
}

/// The mean of the elements under each place of a window; see `averagePool2d` for tensors.
///
/// - Shapes: x [N × C × H × W], result [N × C × h × w] with
///   h = (H + 2·padding − size) / stride + 1, rounded down.
public func averagePool2d(
  _ x: Variable,
  size: PlaneExtent,
  stride: PlaneExtent? = nil,
  padding: PlaneExtent = 0,
  countsPadding: Bool = true
) -> Variable {
  let options = ConvolutionOptions(stride: stride ?? size, padding: padding)
  return resampled(
    x,
    Resampling(averaging: x.shape, size: size, options: options, countsPadding: countsPadding)
  )
}

/// The mean over windows that share the image out evenly, however large it is.
///
/// - Shapes: x [N × C × H × W], result [N × C × size].
public func adaptiveAveragePool2d(_ x: Variable, to size: PlaneExtent) -> Variable {
  resampled(x, Resampling(averaging: x.shape, to: size))
}

/// The mean of each channel of each image.
///
/// - Shapes: x [N × C × H × W], result [N × C].
public func globalAveragePool2d(_ x: Variable) -> Variable {
  adaptiveAveragePool2d(x, to: 1).reshaped(to: [x.shape[0], x.shape[1]])
}

/// Images of another size; see `interpolate` for tensors.
///
/// - Shapes: x [N × C × H × W], result [N × C × size].
public func interpolate(
  _ x: Variable,
  to size: PlaneExtent,
  mode: Interpolation = .nearest
) -> Variable {
  resampled(x, Resampling(interpolating: x.shape, to: size, mode))
}

private func resampled(_ x: Variable, _ resampling: Resampling) -> Variable {
  Variable.recorded(resampling.resampled(x.value), x) { gradient, inputs in
    inputs.pass(to: 0, resampling.gradient(gradient))
  }
}
