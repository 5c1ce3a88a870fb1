import Tensor

/// The transposed convolution that doubles a plane (kernel 4, stride 2, padding 1), with a bias and
/// LeakyReLU.
///
///     y_{2l}   = x_l w_1 + x_{l−1} w_3        coefficient l of x · (w_1, w_3) as polynomials
///     y_{2l−1} = x_l w_0 + x_{l−1} w_2        coefficient l of x · (w_0, w_2)
///
/// The transpose of `HalvingConvolution`, with the same savings: tiles of 4 inputs are multiplied at
/// 5 points, once for all four outputs, and neighbouring tiles overlap by one coefficient.
///
/// - Shapes: x [N × h × w × I], y [N × H × W × O], H of 2h or 2h + 1: channels last; both multiples
///   of 8.
struct DoublingConvolution {
  let input: PlaneExtent
  let output: PlaneExtent
  let inputChannels: Int
  let outputChannels: Int
  private let kinds: [(tiles: PlaneTiles.Kind, weight: Tensor<Float>)]
  private let bias: Tensor<Float>
  private let slope: Float

  /// The layer of a weight [I × O × 4 × 4]; nil for planes and channels that do not fit.
  init?(
    weight: Tensor<Float>,
    bias: Tensor<Float>,
    slope: Float,
    input: PlaneExtent,
    outputPadding: PlaneExtent
  ) {
    (inputChannels, outputChannels) = (weight.shape[0], weight.shape[1])
    guard let tiles = PlaneTiles(input), outputChannels % 8 == 0, inputChannels % 8 == 0,
      weight.shape[2] == 4, weight.shape[3] == 4
    else { return nil }
    self.input = input
    output = PlaneExtent(
      height: 2 * input.height + outputPadding.height,
      width: 2 * input.width + outputPadding.width
    )
    self.bias = bias
    self.slope = slope
    kinds = tiles.kinds.map { ($0, Self.transformed(weight, $0)) }
  }

  /// The weights by point [points × I × 4O]; those of the four kinds of outputs side by side.
  private static func transformed(
    _ weight: Tensor<Float>,
    _ tiles: PlaneTiles.Kind
  ) -> Tensor<Float> {
    let (inputs, outputs) = (weight.shape[0], weight.shape[1])
    return weight.withUnsafeElements { source in
      Tensor<Float>(uninitialized: [tiles.pointCount, inputs, 4 * outputs]) { target in
        for (input, output) in product(inputs, outputs) {
          let kernel = source[(input * outputs + output) * 16..<(input * outputs + output + 1) * 16]
          for part in 0..<4 {
            let first = kernel.startIndex + (1 - part / 2) * 4 + 1 - part % 2
            let taps = [0, 2, 8, 10].map { Double(kernel[first + $0]) }
            let values = tiles.values((taps[0], taps[1], taps[2], taps[3]))
            for (point, value) in values.enumerated() {
              let column = part * outputs + output
              target[(point * inputs + input) * 4 * outputs + column] = Float(value)
            }
          }
        }
      }
    }
  }

  func callAsFunction(_ x: Tensor<Float>) -> Tensor<Float> {
    let images = x.shape[0]
    return Tensor(uninitialized: [images, output.height, output.width, outputChannels]) { target in
      guard let target = target.baseAddress else { return }
      start(images, target)
      for (tiles, weight) in kinds {
        let values = values(x, tiles)  // [points × N·tiles × I]
        values.matmul(weight).withUnsafeElements { products in
          guard let products = products.baseAddress else { return }
          tiles.perform(
            Interpolating(
              layer: self,
              images: images,
              origins: tiles.origins,
              products: products,
              target: target
            )
          )
        }
      }
      finish(images, target)
    }
  }

  /// Every pixel begins with the bias.
  private func start(_ images: Int, _ target: UnsafeMutablePointer<Float>) {
    let (pixels, channels) = (output.height * output.width, outputChannels)
    bias.withUnsafeElements { bias in
      guard let bias = bias.baseAddress else { return }
      WorkPool.forEachRange(count: images, grain: 4) { range in
        for pixel in range.lowerBound * pixels..<range.upperBound * pixels {
          (target + pixel * channels).update(from: bias, count: channels)
        }
      }
    }
  }

  private func finish(_ images: Int, _ target: UnsafeMutablePointer<Float>) {
    let floats = output.height * output.width * outputChannels
    WorkPool.forEachRange(count: images, grain: 4) { range in
      for place in stride(from: range.lowerBound * floats, to: range.upperBound * floats, by: 8) {
        target.store(target.lane(place).leaky(slope), place)
      }
    }
  }

  private func values(_ x: Tensor<Float>, _ tiles: PlaneTiles.Kind) -> Tensor<Float> {
    let rows = x.shape[0] * tiles.origins.count
    return x.withUnsafeElements { source in
      Tensor(uninitialized: [tiles.pointCount, rows, inputChannels]) { target in
        guard let source = source.baseAddress, let target = target.baseAddress else { return }
        tiles.perform(
          Evaluating(
            layer: self,
            images: x.shape[0],
            origins: tiles.origins,
            source: source,
            target: target
          )
        )
      }
    }
  }
}

/// The values of each tile, by point.
private struct Evaluating: TileWork {
  let layer: DoublingConvolution
  let images: Int
  let origins: [(row: Int, column: Int)]
  let source: UnsafePointer<Float>
  let target: UnsafeMutablePointer<Float>

  @inline(__always)
  func callAsFunction<Rows: ToomCook, Columns: ToomCook>(
    _ rows: Rows.Type,
    _ columns: Columns.Type,
    image: Int,
    tile: Int,
    _ lanes: UnsafeMutablePointer<Lane>
  ) {
    let (height, width) = (Rows.size + 1, Columns.size + 1)
    let (plane, channels) = (layer.input, layer.inputChannels)
    let pointStep = images * origins.count * channels
    let first = (image * plane.height + origins[tile].row) * plane.width + origins[tile].column
    let to = target + (image * origins.count + tile) * channels
    for channel in stride(from: 0, to: channels, by: 8) {
      for i in 0..<height - 1 {
        for j in 0..<width - 1 {
          let pixel = first + i * plane.width + j
          lanes[i * width + j] = source.lane(pixel * channels + channel)
        }
      }
      for j in 0..<width - 1 { Rows.evaluate(lanes + j, width) }
      for i in 0..<height { Columns.evaluate(lanes + i * width, 1) }
      for point in 0..<height * width { to.store(lanes[point], point * pointStep + channel) }
    }
  }
}

/// Adds the outputs of each tile from the products by point; all tiles of an image on one thread.
private struct Interpolating: TileWork {
  let layer: DoublingConvolution
  let images: Int
  let origins: [(row: Int, column: Int)]
  let products: UnsafePointer<Float>
  let target: UnsafeMutablePointer<Float>

  @inline(__always)
  func callAsFunction<Rows: ToomCook, Columns: ToomCook>(
    _ rows: Rows.Type,
    _ columns: Columns.Type,
    image: Int,
    tile: Int,
    _ lanes: UnsafeMutablePointer<Lane>
  ) {
    for part in 0..<4 { interpolate(rows, columns, image, tile, part, lanes) }
  }

  /// The outputs at every other row and column.
  @inline(__always)
  private func interpolate<Rows: ToomCook, Columns: ToomCook>(
    _ rows: Rows.Type,
    _ columns: Columns.Type,
    _ image: Int,
    _ tile: Int,
    _ part: Int,
    _ lanes: UnsafeMutablePointer<Lane>
  ) {
    let (height, width) = (Rows.size + 1, Columns.size + 1)
    let (plane, channels) = (layer.output, layer.outputChannels)
    let top = 2 * origins[tile].row - part / 2
    let left = 2 * origins[tile].column - part % 2
    let pointStep = images * origins.count * 4 * channels
    let from = products + ((image * origins.count + tile) * 4 + part) * channels
    let to = target + image * plane.height * plane.width * channels
    for channel in stride(from: 0, to: channels, by: 8) {
      for point in 0..<height * width { lanes[point] = from.lane(point * pointStep + channel) }
      for i in 0..<height { Columns.interpolate(lanes + i * width, 1) }
      for j in 0..<width { Rows.interpolate(lanes + j, width) }
      for i in 0..<height {
        let y = top + 2 * i
        guard y >= 0, y < plane.height else { continue }
        for j in 0..<width {
          let x = left + 2 * j
          guard x >= 0, x < plane.width else { continue }
          let place = (y * plane.width + x) * channels + channel
          to.store(to.lane(place) + lanes[i * width + j], place)
        }
      }
    }
  }
}
