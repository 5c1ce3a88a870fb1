import Autograd
import Tensor
import TestSupport
import Testing

/// Convolutions, pooling, resampling and norms of images against definitions in Double.
@Suite struct ImageOperationTests {
  /// A convolution: extents of images and kernel, and how they meet.
  struct Case: Sendable, CustomTestStringConvertible {
    var batch = 2
    var inputs = 2
    var outputs = 3
    var size = (5, 4)
    var kernel = (3, 2)
    var stride = (1, 1)
    var padding = (0, 0)
    var dilation = (1, 1)
    var groups = 1

    var testDescription: String {
      "\(batch)×\(inputs)×\(size) to \(outputs), \(kernel), \(stride), \(padding), \(dilation), \(groups)"
    }

    var options: ConvolutionOptions {
      ConvolutionOptions(
        stride: PlaneExtent(height: stride.0, width: stride.1),
        padding: PlaneExtent(height: padding.0, width: padding.1),
        dilation: PlaneExtent(height: dilation.0, width: dilation.1),
        groups: groups
      )
    }

    /// Calls `body` with the places of x, w and y of every product that y is a sum of, for a
    /// convolution from images of `size` to features of `result`.
    func forEachProduct(_ result: (Int, Int), _ body: (_ x: [Int], _ w: [Int], _ y: [Int]) -> Void)
    {
      let (inner, outer) = (inputs / groups, outputs / groups)
      for n in 0..<batch {
        for o in 0..<outputs {
          for c in 0..<inner {
            for place in 0..<kernel.0 * kernel.1 * result.0 * result.1 {
              let (j, k) = (place % kernel.1, place / kernel.1 % kernel.0)
              let rest = place / (kernel.1 * kernel.0)
              let (column, row) = (rest % result.1, rest / result.1)
              let top = row * stride.0 - padding.0 + k * dilation.0
              let left = column * stride.1 - padding.1 + j * dilation.1
              guard (0..<size.0).contains(top), (0..<size.1).contains(left) else { continue }
              body([n, o / outer * inner + c, top, left], [o, c, k, j], [n, o, row, column])
            }
          }
        }
      }
    }

    /// The extents of the features.
    var result: (Int, Int) {
      func extent(_ size: Int, _ kernel: Int, _ stride: Int, _ padding: Int, _ dilation: Int) -> Int
      {
        (size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1
      }
      return (
        extent(size.0, kernel.0, stride.0, padding.0, dilation.0),
        extent(size.1, kernel.1, stride.1, padding.1, dilation.1)
      )
    }

    var weight: Shape { [outputs, inputs / groups, kernel.0, kernel.1] }
    var image: Shape { [batch, inputs, size.0, size.1] }
    var features: Shape { [batch, outputs, result.0, result.1] }
  }

  static let cases = [
    Case(), Case(batch: 1, inputs: 1, outputs: 1, size: (1, 1), kernel: (1, 1)),
    Case(batch: 0), Case(stride: (2, 3), padding: (1, 1)),
    Case(size: (7, 6), stride: (2, 1), padding: (2, 0), dilation: (2, 3)),
    Case(inputs: 4, outputs: 6, groups: 2), Case(inputs: 3, outputs: 3, padding: (1, 1), groups: 3),
    Case(
      batch: 1,
      inputs: 3,
      outputs: 2,
      size: (4, 4),
      kernel: (4, 4),
      stride: (2, 2),
      padding: (1, 1)
    ),
  ]

  /// The element at a list of indices.
  private func at(_ x: Tensor<Double>, _ indices: [Int]) -> Int {
    zip(indices, x.shape.extents).reduce(0) { $0 * $1.1 + $1.0 }
  }

  /// Zeros of a shape, plus the bias of each channel.
  private func start(_ shape: Shape, _ bias: Tensor<Double>) -> Tensor<Double> {
    Tensor<Double>.zeros(shape) + bias.reshaped(to: [bias.count, 1, 1])
  }

  @Test(arguments: cases)
  func convolutions(item: Case) {
    GradientCheck()("conv2d", [item.image, item.weight, [item.outputs]]) {
      conv2d($0[0], weight: $0[1], bias: $0[2], options: item.options)
    } oracle: { inputs in
      let (x, w) = (inputs[0], inputs[1])
      let (xs, ws) = (x.elements, w.elements)
      let y = start(item.features, inputs[2])
      var sums = y.elements
      item.forEachProduct(item.result) {
        sums[at(y, $2)] += xs[at(x, $0)] * ws[at(w, $1)]
      }
      return Tensor(sums, shape: y.shape)
    }
  }

  @Test(arguments: cases)
  func transposedConvolutions(item: Case) {
    // What the stride leaves over at the end is the output padding.
    let plain = (
      (item.result.0 - 1) * item.stride.0 - 2 * item.padding.0 + item.dilation.0
        * (item.kernel.0 - 1) + 1,
      (item.result.1 - 1) * item.stride.1 - 2 * item.padding.1 + item.dilation.1
        * (item.kernel.1 - 1) + 1
    )
    let padding = PlaneExtent(height: item.size.0 - plain.0, width: item.size.1 - plain.1)
    GradientCheck()("convTranspose2d", [item.features, item.weight, [item.inputs]]) {
      convTranspose2d(
        $0[0],
        weight: $0[1],
        bias: $0[2],
        options: item.options,
        outputPadding: padding
      )
    } oracle: { inputs in
      let (y, w) = (inputs[0], inputs[1])
      let (ys, ws) = (y.elements, w.elements)
      let x = start(item.image, inputs[2])
      var sums = x.elements
      item.forEachProduct(item.result) {
        sums[at(x, $0)] += ys[at(y, $2)] * ws[at(w, $1)]
      }
      return Tensor(sums, shape: x.shape)
    }
  }

  @Test(arguments: [[2, 2, 4, 6], [1, 1, 2, 2], [0, 2, 4, 4], [3, 1, 6, 4]] as [Shape])
  func pooling(shape: Shape) {
    /// [N × C × H/2 × 2 × W/2 × 2]
    let windows: Shape = [shape[0], shape[1], shape[2] / 2, 2, shape[3] / 2, 2]
    GradientCheck()("maxPool2d", [shape]) {
      maxPool2d($0[0], size: 2)
    } oracle: {
      $0[0].reshaped(to: windows).max(axes: 3, 5)
    }
    GradientCheck()("averagePool2d", [shape]) {
      averagePool2d($0[0], size: 2)
    } oracle: {
      $0[0].reshaped(to: windows).mean(axes: 3, 5)
    }
    let half = PlaneExtent(height: shape[2] / 2, width: shape[3] / 2)
    GradientCheck()("adaptiveAveragePool2d", [shape]) {
      adaptiveAveragePool2d($0[0], to: half)
    } oracle: {
      $0[0].reshaped(to: windows).mean(axes: 3, 5)
    }
    GradientCheck()("globalAveragePool2d", [shape]) {
      globalAveragePool2d($0[0]).reshaped(to: [shape[0], shape[1]])
    } oracle: {
      $0[0].mean(axes: 2, 3)
    }
  }

  @Test(arguments: [(3, 4), (6, 8), (5, 3), (1, 1)])
  func resampling(height: Int, width: Int) {
    let size = PlaneExtent(height: height, width: width)
    GradientCheck()("nearest", [[2, 1, 3, 4]]) {
      interpolate($0[0], to: size)
    } oracle: { inputs in
      resampled(inputs[0], height, width) { i, extent, count in
        [(i * extent / count, 1)]
      }
    }
    GradientCheck()("bilinear", [[2, 1, 3, 4]]) {
      interpolate($0[0], to: size, mode: .bilinear)
    } oracle: { inputs in
      resampled(inputs[0], height, width) { i, extent, count in
        let position = max((Double(i) + 0.5) * Double(extent) / Double(count) - 0.5, 0)
        let first = min(Int(position), extent - 1)
        let share = position - Double(first)
        return [(first, 1 - share), (min(first + 1, extent - 1), share)]
      }
    }
  }

  /// Images whose rows and columns are weighted sums of the old ones.
  private func resampled(
    _ x: Tensor<Double>,
    _ height: Int,
    _ width: Int,
    _ taps: (_ index: Int, _ extent: Int, _ count: Int) -> [(Int, Double)]
  ) -> Tensor<Double> {
    func matrix(_ extent: Int, _ count: Int) -> Tensor<Double> {
      var elements = [Double](repeating: 0, count: count * extent)
      for i in 0..<count {
        for (place, weight) in taps(i, extent, count) { elements[i * extent + place] += weight }
      }
      return Tensor(elements, shape: [count, extent])
    }
    return matrix(x.shape[2], height).matmul(x)
      .matmul(matrix(x.shape[3], width), transposingOther: true)
  }

  @Test(arguments: [[3, 4, 2, 3], [2, 2, 1, 1], [5, 2, 3, 3]] as [Shape])
  func norms(shape: Shape) {
    let channel: Shape = [shape[1], 1, 1]
    func scaled(_ x: Tensor<Double>, _ inputs: [Tensor<Double>]) -> Tensor<Double> {
      x * inputs[1].reshaped(to: channel) + inputs[2].reshaped(to: channel)
    }
    func normalized(_ x: Tensor<Double>, _ axes: [Int]) -> Tensor<Double> {
      let centred = x - x.mean(axes: axes, keepingDimensions: true)
      let variance = (centred * centred).mean(axes: axes, keepingDimensions: true)
      return centred
        / Tensor((variance + 1e-2).elements.map { $0.squareRoot() }, shape: variance.shape)
    }
    let shapes = [shape, [shape[1]], [shape[1]]]
    GradientCheck()("batchNorm", shapes) {
      var statistics = RunningStatistics(
        mean: .zeros([shape[1]]),
        variance: .ones([shape[1]])
      )
      return batchNorm(
        $0[0],
        weight: $0[1],
        bias: $0[2],
        updating: &statistics,
        epsilon: 1e-2
      )
    } oracle: {
      scaled(normalized($0[0], [0, 2, 3]), $0)
    }
    GradientCheck()("groupNorm", shapes) {
      groupNorm($0[0], groups: 2, weight: $0[1], bias: $0[2], epsilon: 1e-2)
    } oracle: {
      let grouped: Shape = [shape[0], 2, shape.count / shape[0] / 2]
      return scaled(normalized($0[0].reshaped(to: grouped), [2]).reshaped(to: shape), $0)
    }
    GradientCheck()("standardDeviation", [shape]) {
      $0[0].standardDeviation(axes: 0, 2, correction: 1)
    } oracle: {
      $0[0].standardDeviation(axes: 0, 2, correction: 1)
    }
  }
}
