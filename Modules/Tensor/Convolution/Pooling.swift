import CKernels

/// The largest element under each place of a window, and its index in its plane.
package struct MaxPooling {
  private var arguments = ck_max_pooling()
  private let inputShape: Shape
  private let outputShape: Shape

  /// Checks the shapes of a pooling of images [N × C × H × W].
  package init(
    of input: Shape,
    size: PlaneExtent,
    stride: PlaneExtent?,
    padding: PlaneExtent,
    dilation: PlaneExtent
  ) {
    let stride = stride ?? size
    let options = ConvolutionOptions(stride: stride, padding: padding, dilation: dilation)
    let plane = pooledPlane("max pool", input, size, options)
    inputShape = input
    outputShape = [input[0], input[1], plane.height, plane.width]
    (arguments.height, arguments.width) = (input[2], input[3])
    (arguments.out_height, arguments.out_width) = (plane.height, plane.width)
    (arguments.kernel_height, arguments.kernel_width) = (size.height, size.width)
    (arguments.stride_height, arguments.stride_width) = (stride.height, stride.width)
    (arguments.padding_height, arguments.padding_width) = (padding.height, padding.width)
    (arguments.dilation_height, arguments.dilation_width) = (dilation.height, dilation.width)
  }

  /// The largest elements and their indices.
  package func pooled(_ x: Tensor<Float>) -> (values: Tensor<Float>, indices: Tensor<Int32>) {
    let values = Tensor<Float>(uninitialized: outputShape) { _ in }
    let indices = Tensor<Int32>(uninitialized: outputShape) { _ in }
    let from = inputShape[2] * inputShape[3]
    let to = outputShape[2] * outputShape[3]
    WorkPool.forEachRange(count: planeCount(inputShape), grain: rowGrain(width: from)) { planes in
      withUnsafePointer(to: arguments) { arguments in
        for plane in planes {
          ck_max_pool(
            arguments,
            x.start + plane * from,
            values.start + plane * to,
            indices.start + plane * to
          )
        }
      }
    }
    withExtendedLifetime(x) {}
    return (values, indices)
  }

  /// Sends every gradient to the element that was the largest.
  package func gradient(_ gradient: Tensor<Float>, indices: Tensor<Int32>) -> Tensor<Float> {
    let result = Tensor<Float>(uninitialized: inputShape) { _ in }
    let from = outputShape[2] * outputShape[3]
    let to = inputShape[2] * inputShape[3]
    WorkPool.forEachRange(count: planeCount(inputShape), grain: rowGrain(width: to)) { planes in
      for plane in planes {
        let source = gradient.start + plane * from
        let places = indices.start + plane * from
        let target = result.start + plane * to
        target.update(repeating: 0, count: to)
        // −1 where the window covers padding alone.
        for i in 0..<from where places[i] >= 0 { target[Int(places[i])] += source[i] }
      }
    }
    withExtendedLifetime((gradient, indices)) {}
    return result
  }
}

/// The number of planes of images [N × C × H × W].
func planeCount(_ shape: Shape) -> Int { shape[0] * shape[1] }

/// The size of the planes that a window leaves.
func pooledPlane(
  _ name: String,
  _ input: Shape,
  _ size: PlaneExtent,
  _ options: ConvolutionOptions
) -> PlaneExtent {
  let padding = options.padding
  expect(input.rank == 4, "\(name): four axes are needed, \(input) · \(size)")
  expect(
    size.isAtLeast(1) && options.isValid && padding.height <= size.height / 2
      && padding.width <= size.width / 2,
    "\(name): the padding \(padding) is more than half of the window \(size)"
  )
  let span = options.span(of: size)
  let height = input[2] + 2 * padding.height - span.height
  let width = input[3] + 2 * padding.width - span.width
  expect(
    height >= 0 && width >= 0 && input[2] > 0 && input[3] > 0,
    "\(name): the window is larger than the padded image, \(input) · \(size)"
  )
  return PlaneExtent(
    height: height / options.stride.height + 1,
    width: width / options.stride.width + 1
  )
}

/// The largest element under each place of a window: the first of equal ones; NaN is largest.
///
/// The `stride` is the distance of the window's places, by default its size; the `padding`, at most
/// half a window, is never the largest; `dilation` is the distance of the elements in a window.
///
/// - Shapes: x [N × C × H × W], result [N × C × h × w] with
///   h = (H + 2·padding − dilation·(size − 1) − 1) / stride + 1, rounded down.
public func maxPool2d(
  _ x: Tensor<Float>,
  size: PlaneExtent,
  stride: PlaneExtent? = nil,
  padding: PlaneExtent = 0,
  dilation: PlaneExtent = 1
) -> Tensor<Float> {
  MaxPooling(of: x.shape, size: size, stride: stride, padding: padding, dilation: dilation)
    .pooled(x).values
}

/// The mean of the elements under each place of a window.
///
/// The `stride` is the distance of the window's places, by default its size; the `padding`, at most
/// half a window, is zeros, and `countsPadding` says whether they count as elements.
///
/// - Shapes: x [N × C × H × W], result [N × C × h × w] with
///   h = (H + 2·padding − size) / stride + 1, rounded down.
public func averagePool2d(
  _ x: Tensor<Float>,
  size: PlaneExtent,
  stride: PlaneExtent? = nil,
  padding: PlaneExtent = 0,
  countsPadding: Bool = true
) -> Tensor<Float> {
  let options = ConvolutionOptions(stride: stride ?? size, padding: padding)
  return Resampling(averaging: x.shape, size: size, options: options, countsPadding: countsPadding)
    .resampled(x)
}

/// The mean over windows that share the image out evenly, however large it is.
///
/// - Shapes: x [N × C × H × W], result [N × C × size]; row i of the result takes the rows from
///   ⌊i·H/h⌋ below ⌈(i + 1)·H/h⌉.
public func adaptiveAveragePool2d(_ x: Tensor<Float>, to size: PlaneExtent) -> Tensor<Float> {
  Resampling(averaging: x.shape, to: size).resampled(x)
}

/// The mean of each channel of each image.
///
/// - Shapes: x [N × C × H × W], result [N × C].
public func globalAveragePool2d(_ x: Tensor<Float>) -> Tensor<Float> {
  Resampling(averaging: x.shape, to: 1).resampled(x).reshaped(to: [x.shape[0], x.shape[1]])
}
