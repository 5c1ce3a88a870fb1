import CKernels

/// A convolution whose shapes were checked: the products between an image, its features, and the
/// weight that connects them.
///
/// A convolution makes features from an image, its gradient an image from features; a transposed
/// convolution does the same with exchanged roles. So three products serve both:
///
///     features = weight ∗ image        image = weightᵀ ∗ features        weight = features · image
///
/// - Shapes: image [N × I × H × W], features [N × O × h × w], weight [O × I/groups × kH × kW].
package struct Convolution {
  var shape = ck_convolution()
  private let imageShape: Shape
  private let featureShape: Shape
  private let weightShape: Shape

  private init(image: Shape, features: Shape, weight: Shape, options: ConvolutionOptions) {
    imageShape = image
    featureShape = features
    weightShape = weight
    shape.batch = image[0]
    shape.groups = options.groups
    (shape.image_channels, shape.feature_channels) = (image[1], features[1])
    (shape.image_height, shape.image_width) = (image[2], image[3])
    (shape.feature_height, shape.feature_width) = (features[2], features[3])
    (shape.kernel_height, shape.kernel_width) = (weight[2], weight[3])
    (shape.stride_height, shape.stride_width) = (options.stride.height, options.stride.width)
    (shape.padding_height, shape.padding_width) = (options.padding.height, options.padding.width)
    (shape.dilation_height, shape.dilation_width) =
      (options.dilation.height, options.dilation.width)
  }

  /// The convolution of an image [N × I × H × W] by a weight [O × I/groups × kH × kW].
  package init(
    of image: Shape,
    by weight: Shape,
    bias: Shape?,
    options: ConvolutionOptions,
    name: String = "conv2d"
  ) {
    Self.check(name, image, weight, options)
    let groups = options.groups
    expect(
      image[1] == weight[1] * groups && weight[0] % groups == 0,
      "\(name): input channels differ, \(image) · \(weight) with \(groups.groupText)"
    )
    Self.check(name, bias, channels: weight[0], weight)
    let span = options.span(of: PlaneExtent(height: weight[2], width: weight[3]))
    let total = options.totalPadding
    let height = image[2] + total.height - span.height
    let width = image[3] + total.width - span.width
    expect(
      height >= 0 && width >= 0,
      "\(name): the kernel is larger than the padded image, \(image) · \(weight)"
    )
    self.init(
      image: image,
      features: [
        image[0], weight[0], height / options.stride.height + 1, width / options.stride.width + 1,
      ],
      weight: weight,
      options: options
    )
  }

  /// The transposed convolution of an input [N × I × h × w] by a weight [I × O/groups × kH × kW].
  package init(
    transposedOf input: Shape,
    by weight: Shape,
    bias: Shape?,
    options: ConvolutionOptions,
    outputPadding: PlaneExtent,
    name: String = "conv transpose2d"
  ) {
    Self.check(name, input, weight, options)
    let groups = options.groups
    expect(
      input[1] == weight[0] && weight[0] % groups == 0,
      "\(name): input channels differ, \(input) · \(weight) with \(groups.groupText)"
    )
    Self.check(name, bias, channels: weight[1] * groups, weight)
    let (stride, dilation, total) = (options.stride, options.dilation, options.totalPadding)
    expect(
      outputPadding.isAtLeast(0)
        && outputPadding.height < max(stride.height, dilation.height)
        && outputPadding.width < max(stride.width, dilation.width),
      "\(name): the output padding \(outputPadding) must be below the stride \(stride) "
        + "or the dilation \(dilation)"
    )
    let span = options.span(of: PlaneExtent(height: weight[2], width: weight[3]))
    let height = (input[2] - 1) * stride.height + span.height + outputPadding.height - total.height
    let width = (input[3] - 1) * stride.width + span.width + outputPadding.width - total.width
    expect(
      input[2] > 0 && input[3] > 0 && height >= 0 && width >= 0,
      "\(name): the output would be empty, \(input) · \(weight)"
    )
    self.init(
      image: [input[0], weight[1] * groups, height, width],
      features: input,
      weight: weight,
      options: options
    )
  }

  private static func check(
    _ name: String,
    _ input: Shape,
    _ weight: Shape,
    _ options: ConvolutionOptions
  ) {
    expect(
      input.rank == 4 && weight.rank == 4 && weight[2] > 0 && weight[3] > 0,
      "\(name): four axes and a kernel are needed, \(input) · \(weight)"
    )
    expect(
      options.isValid,
      "\(name): strides, dilations and groups start at 1, paddings at 0, \(options)"
    )
  }

  private static func check(_ name: String, _ bias: Shape?, channels: Int, _ weight: Shape) {
    let bias = bias ?? [channels]
    expect(bias == [channels], "\(name): the bias does not fit, \(bias) · \(weight)")
  }
}

// MARK: - Products

extension Convolution {
  /// weight ∗ image + bias.
  package func features(
    image: Tensor<Float>,
    weight: Tensor<Float>,
    bias: Tensor<Float>? = nil
  ) -> Tensor<Float> {
    expect(
      image.shape == imageShape && weight.shape == weightShape,
      "convolution: shapes differ, \(image.shape) · \(imageShape), \(weight.shape) · \(weightShape)"
    )
    return run(image, weight, bias, into: featureShape, ck_convolve)
  }

  /// weightᵀ ∗ features + bias.
  package func image(
    features: Tensor<Float>,
    weight: Tensor<Float>,
    bias: Tensor<Float>? = nil
  ) -> Tensor<Float> {
    expect(
      features.shape == featureShape && weight.shape == weightShape,
      "convolution: shapes differ, \(features.shape) · \(featureShape), "
        + "\(weight.shape) · \(weightShape)"
    )
    return run(features, weight, bias, into: imageShape, ck_convolve_transposed)
  }

  /// features · image, summed over the batch and the places of the kernel.
  package func weight(image: Tensor<Float>, features: Tensor<Float>) -> Tensor<Float> {
    expect(
      image.shape == imageShape && features.shape == featureShape,
      "convolution: shapes differ, \(image.shape) · \(imageShape), "
        + "\(features.shape) · \(featureShape)"
    )
    return run(image, features, nil, into: weightShape) { shape, image, features, _, weight in
      ck_convolve_weight(shape, image, features, weight)
    }
  }

  private typealias Kernel = (
    UnsafePointer<ck_convolution>?, UnsafePointer<Float>?, UnsafePointer<Float>?,
    UnsafePointer<Float>?, UnsafeMutablePointer<Float>?
  ) -> Void

  private func run(
    _ first: Tensor<Float>,
    _ second: Tensor<Float>,
    _ bias: Tensor<Float>?,
    into result: Shape,
    _ kernel: Kernel
  ) -> Tensor<Float> {
    defer { withExtendedLifetime((first, second, bias)) {} }
    return Tensor(uninitialized: result) { target in
      withUnsafePointer(to: shape) { shape in
        kernel(shape, first.start, second.start, bias?.start, target.baseAddress)
      }
    }
  }
}

extension Tensor where Element == Float {
  /// The sum over everything but axis 1: the gradient of a bias.
  ///
  /// - Shapes: self [N × C × …], result [C].
  package func channelSums() -> Tensor {
    expect(rank >= 2, "channel sums: \(shape) has no channels")
    let (batch, channels) = (shape[0], shape[1])
    let plane = shape.extents.dropFirst(2).reduce(1, *)
    return withUnsafeElements { source in
      Tensor(uninitialized: [channels]) { target in
        ck_channel_sums(batch, channels, plane, source.baseAddress, target.baseAddress)
      }
    }
  }
}

extension Int {
  fileprivate var groupText: String { self == 1 ? "1 group" : "\(self) groups" }
}
