import Tensor

/// A convolution with random contents, and its three products in Double by their definition.
struct ConvolutionSample: CustomStringConvertible {
  var batch = 2
  var groups = 1
  /// Channels per group.
  var inputs = 3
  var outputs = 4
  var size = PlaneExtent(height: 7, width: 9)
  var kernel: PlaneExtent = 3
  var stride: PlaneExtent = 1
  var padding: PlaneExtent = 0
  var trailing: PlaneExtent?
  var dilation: PlaneExtent = 1

  var options: ConvolutionOptions {
    var options = ConvolutionOptions(
      stride: stride,
      padding: padding,
      dilation: dilation,
      groups: groups
    )
    options.trailingPadding = trailing
    return options
  }

  var imageShape: Shape { [batch, inputs * groups, size.height, size.width] }
  var weightShape: Shape { [outputs * groups, inputs, kernel.height, kernel.width] }
  var featureShape: Shape {
    let after = trailing ?? padding
    func extent(_ size: Int, _ padding: Int, _ kernel: Int, _ dilation: Int, _ stride: Int) -> Int {
      (size + padding - dilation * (kernel - 1) - 1) / stride + 1
    }
    return [
      batch, outputs * groups,
      extent(
        size.height,
        padding.height + after.height,
        kernel.height,
        dilation.height,
        stride.height
      ),
      extent(size.width, padding.width + after.width, kernel.width, dilation.width, stride.width),
    ]
  }

  var isPossible: Bool {
    let after = trailing ?? padding
    return size.height + padding.height + after.height > dilation.height * (kernel.height - 1)
      && size.width + padding.width + after.width > dilation.width * (kernel.width - 1)
  }

  /// The extra rows and columns with which the transposed convolution meets the image's size.
  var outputPadding: PlaneExtent {
    let features = featureShape
    let after = trailing ?? padding
    return PlaneExtent(
      height: size.height + padding.height + after.height - (features[2] - 1) * stride.height
        - dilation.height * (kernel.height - 1) - 1,
      width: size.width + padding.width + after.width - (features[3] - 1) * stride.width
        - dilation.width * (kernel.width - 1) - 1
    )
  }

  var description: String {
    "\(imageShape) · \(weightShape), stride \(stride), padding \(padding), dilation \(dilation), "
      + "groups \(groups)"
  }

  /// Calls `body` with the places of image, weight and feature of every product of two elements.
  func forEachProduct(_ body: (_ image: Int, _ weight: Int, _ feature: Int) -> Void) {
    let features = featureShape
    let (height, width) = (features[2], features[3])
    var feature = 0
    for n in 0..<batch {
      for o in 0..<outputs * groups {
        for place in 0..<height * width {
          let (y, x) = (place / width * stride.height, place % width * stride.width)
          for c in 0..<inputs {
            let channel = (n * groups + o / outputs) * inputs + c
            for tap in 0..<kernel.height * kernel.width {
              let row = y + tap / kernel.width * dilation.height - padding.height
              let column = x + tap % kernel.width * dilation.width - padding.width
              guard row >= 0, row < size.height, column >= 0, column < size.width else { continue }
              body(
                (channel * size.height + row) * size.width + column,
                (o * inputs + c) * kernel.height * kernel.width + tap,
                feature
              )
            }
          }
          feature += 1
        }
      }
    }
  }

  /// The sum of products into one of the three, and the sum of their magnitudes.
  func sums(
    _ count: Int,
    _ product: (_ image: Int, _ weight: Int, _ feature: Int) -> (target: Int, value: Double)
  ) -> (values: [Double], scale: [Double]) {
    var values = [Double](repeating: 0, count: count)
    var scale = values
    forEachProduct { image, weight, feature in
      let (target, value) = product(image, weight, feature)
      values[target] += value
      scale[target] += abs(value)
    }
    return (values, scale)
  }
}

extension KernelSamples {
  mutating func tensor(_ shape: Shape) -> Tensor<Float> {
    Tensor(floats(shape.count), shape: shape)
  }

  mutating func integer(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(bits() % UInt64(range.count))
  }

  mutating func extent(_ range: ClosedRange<Int>) -> PlaneExtent {
    PlaneExtent(height: integer(range), width: integer(range))
  }

  /// A convolution with options at random, small enough for the definition in Double.
  mutating func convolution() -> ConvolutionSample {
    while true {
      var sample = ConvolutionSample()
      sample.batch = integer(1...4)
      sample.groups = [1, 1, 1, 2, 3, 5][integer(0...5)]
      sample.inputs = [1, 2, 3, 5, 17][integer(0...4)]
      sample.outputs = [1, 2, 4, 6, 7, 16, 33][integer(0...6)]
      sample.size = extent(1...12)
      if integer(0...3) == 0 { sample.size.width = integer(13...70) }
      sample.kernel = extent(1...5)
      sample.stride = extent(1...3)
      sample.padding = extent(0...3)
      if integer(0...3) == 0 { sample.trailing = extent(0...3) }
      sample.dilation = extent(1...2)
      let products = sample.weightShape.count * sample.batch * sample.size.height
      if sample.isPossible && products * sample.size.width < 400_000 { return sample }
    }
  }
}
