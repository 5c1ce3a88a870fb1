import CKernels

/// Which elements along one axis each result takes, and with what weight.
struct ResamplingAxis {
  /// Result i takes the entries from first[i] below first[i + 1].
  private(set) var first: [Int32] = [0]
  private(set) var index: [Int32] = []
  private(set) var weight: [Float] = []

  var count: Int { first.count - 1 }

  /// Appends a result.
  mutating func appendRun(_ entries: [(index: Int, weight: Float)]) {
    for entry in entries {
      index.append(Int32(entry.index))
      weight.append(entry.weight)
    }
    first.append(Int32(index.count))
  }

  /// A window of `size` every `stride` elements.
  init(averaging extent: Int, size: Int, stride: Int, padding: Int, countsPadding: Bool) {
    for i in 0..<(extent + 2 * padding - size) / stride + 1 {
      let start = i * stride - padding
      let end = start + size
      let covered = max(start, 0)..<min(end, extent)
      let divisor = countsPadding ? min(end, extent + padding) - start : covered.count
      appendRun(covered.map { ($0, 1 / Float(divisor)) })
    }
  }

  /// `count` windows that share the axis out evenly.
  init(averaging extent: Int, to count: Int) {
    for i in 0..<count {
      let covered = i * extent / count..<((i + 1) * extent + count - 1) / count
      appendRun(covered.map { ($0, 1 / Float(covered.count)) })
    }
  }

  init() {}
}

/// A linear map of planes that treats rows and columns apart: average pooling, interpolation.
package struct Resampling {
  private let inputShape: Shape
  private let outputShape: Shape
  private let rows: ResamplingAxis
  private let columns: ResamplingAxis

  init(of input: Shape, rows: ResamplingAxis, columns: ResamplingAxis) {
    inputShape = input
    outputShape = [input[0], input[1], rows.count, columns.count]
    self.rows = rows
    self.columns = columns
  }

  /// The mean under a window; the stride and the padding of `options` count.
  package init(
    averaging input: Shape,
    size: PlaneExtent,
    options: ConvolutionOptions,
    countsPadding: Bool
  ) {
    _ = pooledPlane("average pool", input, size, options)
    self.init(
      of: input,
      rows: ResamplingAxis(
        averaging: input[2],
        size: size.height,
        stride: options.stride.height,
        padding: options.padding.height,
        countsPadding: countsPadding
      ),
      columns: ResamplingAxis(
        averaging: input[3],
        size: size.width,
        stride: options.stride.width,
        padding: options.padding.width,
        countsPadding: countsPadding
      )
    )
  }

  /// The mean over even shares of the image.
  package init(averaging input: Shape, to size: PlaneExtent) {
    expect(
      input.rank == 4 && size.isAtLeast(0) && (input.rank < 4 || input[2] > 0 && input[3] > 0),
      "adaptive average pool: images with pixels are needed, \(input) · \(size)"
    )
    self.init(
      of: input,
      rows: ResamplingAxis(averaging: input[2], to: size.height),
      columns: ResamplingAxis(averaging: input[3], to: size.width)
    )
  }

  /// The planes of the result.
  package func resampled(_ x: Tensor<Float>) -> Tensor<Float> {
    expect(x.shape == inputShape, "resample: shapes differ, \(x.shape) · \(inputShape)")
    return mapPlanes(x, from: inputShape, to: outputShape) { arguments, source, scratch, target in
      ck_resample(arguments, source, scratch, target)
    }
  }

  /// The gradient of the planes from the gradient of the result.
  package func gradient(_ gradient: Tensor<Float>) -> Tensor<Float> {
    expect(
      gradient.shape == outputShape,
      "resample: the gradient does not fit, \(gradient.shape) · \(outputShape)"
    )
    let plane = inputShape[2] * inputShape[3]
    return mapPlanes(gradient, from: outputShape, to: inputShape) {
      arguments,
      source,
      scratch,
      target in
      target.update(repeating: 0, count: plane)
      ck_resample_transposed(arguments, source, scratch, target)
    }
  }

  private typealias PlaneKernel = (
    UnsafePointer<ck_resampling>, UnsafePointer<Float>, UnsafeMutablePointer<Float>,
    UnsafeMutablePointer<Float>
  ) -> Void

  private func mapPlanes(
    _ x: Tensor<Float>,
    from source: Shape,
    to target: Shape,
    _ kernel: PlaneKernel
  ) -> Tensor<Float> {
    let result = Tensor<Float>(uninitialized: target) { _ in }
    let (from, to) = (source[2] * source[3], target[2] * target[3])
    guard to > 0 else { return result }
    let width = inputShape[3]
    withArguments { arguments in
      let grain = rowGrain(width: from + to)
      WorkPool.forEachRange(count: planeCount(source), grain: grain) { planes in
        withUnsafeTemporaryAllocation(of: Float.self, capacity: max(width, 1)) { scratch in
          guard let row = scratch.baseAddress else { return }
          for plane in planes {
            kernel(arguments, x.start + plane * from, row, result.start + plane * to)
          }
        }
      }
    }
    withExtendedLifetime(x) {}
    return result
  }

  private func withArguments(_ body: (UnsafePointer<ck_resampling>) -> Void) {
    var arguments = ck_resampling()
    (arguments.height, arguments.width) = (inputShape[2], inputShape[3])
    (arguments.out_height, arguments.out_width) = (outputShape[2], outputShape[3])
    rows.withPointers { first, index, weight in
      (arguments.row_first, arguments.row_index, arguments.row_weight) = (first, index, weight)
      columns.withPointers { first, index, weight in
        arguments.column_first = first
        arguments.column_index = index
        arguments.column_weight = weight
        body(&arguments)
      }
    }
  }
}

extension ResamplingAxis {
  fileprivate func withPointers(
    _ body: (UnsafePointer<Int32>?, UnsafePointer<Int32>?, UnsafePointer<Float>?) -> Void
  ) {
    first.withUnsafeBufferPointer { first in
      index.withUnsafeBufferPointer { index in
        weight.withUnsafeBufferPointer { weight in
          body(first.baseAddress, index.baseAddress, weight.baseAddress)
        }
      }
    }
  }
}
