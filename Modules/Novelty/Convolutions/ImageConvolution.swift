import Tensor

/// The first convolution (kernel 4, stride 2, padding 1) of images whose channels come first: its
/// patches by a matrix, with a bias and LeakyReLU.
///
/// - Shapes: rows [N × C · H · W], y [N × H/2 × W/2 × O]: channels last.
struct ImageConvolution {
  let input: PlaneExtent
  let channels: Int
  var output: PlaneExtent { PlaneExtent(height: input.height / 2, width: input.width / 2) }
  /// [16 C × O].
  private let weight: Tensor<Float>
  private let bias: Tensor<Float>
  private let slope: Float

  /// The layer of a weight [O × C × 4 × 4]; nil for other kernels and channels.
  init?(weight: Tensor<Float>, bias: Tensor<Float>, slope: Float, input: PlaneExtent) {
    let (outputs, channels) = (weight.shape[0], weight.shape[1])
    guard weight.shape[2] == 4, weight.shape[3] == 4, outputs % 8 == 0 else { return nil }
    self.input = input
    self.channels = channels
    self.weight = weight.reshaped(to: [outputs, 16 * channels]).transposed()
    self.bias = bias
    self.slope = slope
  }

  func callAsFunction(_ rows: Tensor<Float>) -> Tensor<Float> {
    let images = rows.shape[0]
    var y = patches(rows).matmul(weight)  // [N · h · w × O]
    y.addLeaky(bias, slope)
    return y.reshaped(to: [images, output.height, output.width, weight.shape[1]])
  }

  /// The 4 × 4 pixels under each output [N · h · w × 16 C].
  private func patches(_ rows: Tensor<Float>) -> Tensor<Float> {
    let (images, height, width) = (rows.shape[0], input.height, input.width)
    let (size, stride) = (output.height * output.width * 16 * channels, 16 * channels)
    // A frame of zeros; rows end with what the last patch reads.
    let padded = width + 4
    return rows.withUnsafeElements { source in
      Tensor(uninitialized: [images * output.height * output.width, stride]) { target in
        guard let source = source.baseAddress, let target = target.baseAddress else { return }
        WorkPool.forEachRange(count: images, grain: 8) { range in
          let count = (height + 3) * padded
          withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { frame in
            guard let frame = frame.baseAddress else { return }
            frame.initialize(repeating: 0, count: count)
            for (image, channel) in range.flatMap({ n in (0..<channels).map { (n, $0) } }) {
              let plane = source + (image * channels + channel) * height * width
              for y in 0..<height {
                (frame + (y + 1) * padded + 1).update(from: plane + y * width, count: width)
              }
              cut(frame, padded, into: target + image * size + 16 * channel, stride)
            }
          }
        }
      }
    }
  }

  @inline(__always)
  private func cut(
    _ frame: UnsafePointer<Float>,
    _ padded: Int,
    into target: UnsafeMutablePointer<Float>,
    _ stride: Int
  ) {
    var to = UnsafeMutableRawPointer(target)
    for y in 0..<output.height {
      for x in 0..<output.width {
        let from = UnsafeRawPointer(frame + 2 * y * padded + 2 * x)
        for row in 0..<4 {
          let four = from.loadUnaligned(fromByteOffset: 4 * row * padded, as: SIMD4<Float>.self)
          to.storeBytes(of: four, toByteOffset: 16 * row, as: SIMD4<Float>.self)
        }
        to += 4 * stride
      }
    }
  }
}

/// The last transposed convolution (kernel 4, stride 2, padding 1), with a bias: every pixel by a
/// matrix, and the 4 × 4 results added where they belong.
///
/// - Shapes: x [N × h × w × I]: channels last; rows [N × C · H · W]: channels first.
struct ImageSynthesis {
  let input: PlaneExtent
  let output: PlaneExtent
  let channels: Int
  /// [I × 16 C].
  private let weight: Tensor<Float>
  private let bias: Tensor<Float>

  /// The layer of a weight [I × C × 4 × 4]; nil for other kernels.
  init?(
    weight: Tensor<Float>,
    bias: Tensor<Float>,
    input: PlaneExtent,
    outputPadding: PlaneExtent
  ) {
    guard weight.shape[2] == 4, weight.shape[3] == 4 else { return nil }
    self.input = input
    output = PlaneExtent(
      height: 2 * input.height + outputPadding.height,
      width: 2 * input.width + outputPadding.width
    )
    channels = weight.shape[1]
    self.weight = weight.reshaped(to: [weight.shape[0], 16 * channels])
    self.bias = bias
  }

  func callAsFunction(_ x: Tensor<Float>) -> Tensor<Float> {
    let (images, pixels) = (x.shape[0], input.height * input.width)
    let products = x.reshaped(to: [images * pixels, weight.shape[0]]).matmul(weight)
    let size = output.height * output.width
    let padded = 2 * input.width + 2
    return products.withUnsafeElements { source in
      Tensor(uninitialized: [images, channels * size]) { target in
        guard let source = source.baseAddress, let target = target.baseAddress else { return }
        WorkPool.forEachRange(count: images, grain: 8) { range in
          let count = (2 * input.height + 2) * padded
          withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { frame in
            guard let frame = frame.baseAddress else { return }
            for (image, channel) in range.flatMap({ n in (0..<channels).map { (n, $0) } }) {
              frame.initialize(repeating: 0, count: count)
              add(source + (image * pixels * channels + channel) * 16, to: frame, padded)
              let plane = target + (image * channels + channel) * size
              copy(frame, padded, to: plane, bias: bias.elements[channel])
            }
          }
        }
      }
    }
  }

  @inline(__always)
  private func add(
    _ source: UnsafePointer<Float>,
    to frame: UnsafeMutablePointer<Float>,
    _ padded: Int
  ) {
    var from = UnsafeRawPointer(source)
    for y in 0..<input.height {
      for x in 0..<input.width {
        let to = UnsafeMutableRawPointer(frame + 2 * y * padded + 2 * x)
        for row in 0..<4 {
          let four = from.loadUnaligned(fromByteOffset: 16 * row, as: SIMD4<Float>.self)
          let sum = to.loadUnaligned(fromByteOffset: 4 * row * padded, as: SIMD4<Float>.self)
          to.storeBytes(of: sum + four, toByteOffset: 4 * row * padded, as: SIMD4<Float>.self)
        }
        from += 64 * channels
      }
    }
  }

  /// The frame without its first row and column.
  @inline(__always)
  private func copy(
    _ frame: UnsafePointer<Float>,
    _ padded: Int,
    to plane: UnsafeMutablePointer<Float>,
    bias: Float
  ) {
    for y in 0..<output.height {
      let (from, to) = (frame + (y + 1) * padded + 1, plane + y * output.width)
      for x in 0..<output.width { to[x] = from[x] + bias }
    }
  }
}

extension Tensor where Element == Float {
  /// Adds a bias to every row, then LeakyReLU.
  ///
  /// The width is a multiple of 8.
  mutating func addLeaky(_ bias: Tensor, _ slope: Float) {
    let (rows, width) = (shape[0], shape[1])
    bias.withUnsafeElements { bias in
      withUnsafeMutableElements { elements in
        guard let bias = bias.baseAddress, let start = elements.baseAddress else { return }
        WorkPool.forEachRange(count: rows, grain: Swift.max(1, 65_536 / width)) { range in
          for row in range {
            let to = start + row * width
            for place in stride(from: 0, to: width, by: 8) {
              to.store((to.lane(place) + bias.lane(place)).leaky(slope), place)
            }
          }
        }
      }
    }
  }
}
