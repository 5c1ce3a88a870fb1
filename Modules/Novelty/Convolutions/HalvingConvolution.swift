import Tensor

/// The convolution that halves a plane (kernel 4, stride 2, padding 1), with a bias and LeakyReLU.
///
///     y_o = Σ_k x_{2o+k−1} w_k = Σ_a (x^a_o w_a + x^a_{o+1} w_{a+2}),   x^a_j = x_{2j+a−1}, a = 0, 1
///
/// Along each axis it is two filters of two weights, one on every other pixel each, so that tiles of
/// 4 outputs need 5 products and not 8 (`ToomCook`); a plane of 7 × 7 needs 81 products for each pair
/// of channels and not 196. The products of one point are one matrix product over all tiles.
///
/// - Shapes: x [N × h × w × I], y [N × h/2 × w/2 × O]: channels last; both multiples of 8.
struct HalvingConvolution {
  let input: PlaneExtent
  let output: PlaneExtent
  let inputChannels: Int
  let outputChannels: Int
  private let kinds: [(tiles: PlaneTiles.Kind, weight: Tensor<Float>)]
  private let bias: Tensor<Float>
  private let slope: Float

  /// The layer of a weight [O × I × 4 × 4]; nil for planes and channels that do not fit.
  init?(weight: Tensor<Float>, bias: Tensor<Float>, slope: Float, input: PlaneExtent) {
    output = PlaneExtent(height: input.height / 2, width: input.width / 2)
    (outputChannels, inputChannels) = (weight.shape[0], weight.shape[1])
    guard let tiles = PlaneTiles(output), outputChannels % 8 == 0, inputChannels % 8 == 0,
      weight.shape[2] == 4, weight.shape[3] == 4
    else { return nil }
    self.input = input
    self.bias = bias
    self.slope = slope
    kinds = tiles.kinds.map { ($0, Self.transformed(weight, $0)) }
  }

  /// The weights by point [points × 4I × O]; the four parts of a kernel lie one after another.
  private static func transformed(
    _ weight: Tensor<Float>,
    _ tiles: PlaneTiles.Kind
  ) -> Tensor<Float> {
    let (outputs, inputs) = (weight.shape[0], weight.shape[1])
    return weight.withUnsafeElements { source in
      Tensor<Float>(uninitialized: [tiles.pointCount, 4 * inputs, outputs]) { target in
        for (output, input) in product(outputs, inputs) {
          let kernel = source[(output * inputs + input) * 16..<(output * inputs + input + 1) * 16]
          for part in 0..<4 {
            let first = kernel.startIndex + part / 2 * 4 + part % 2
            let taps = [0, 2, 8, 10].map { Double(kernel[first + $0]) }
            let values = tiles.values((taps[0], taps[1], taps[2], taps[3]))
            for (point, value) in values.enumerated() {
              let row = (point * 4 + part) * inputs + input
              target[row * outputs + output] = Float(value)
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
      for (tiles, weight) in kinds {
        let spread = spread(x, tiles)  // [points × N·tiles × 4I]
        spread.matmul(weight).withUnsafeElements { products in
          bias.withUnsafeElements { bias in
            guard let products = products.baseAddress, let bias = bias.baseAddress else { return }
            tiles.perform(
              Gathering(
                layer: self,
                images: images,
                origins: tiles.origins,
                products: products,
                bias: bias,
                target: target,
                slope: slope
              )
            )
          }
        }
      }
    }
  }

  private func spread(_ x: Tensor<Float>, _ tiles: PlaneTiles.Kind) -> Tensor<Float> {
    let rows = x.shape[0] * tiles.origins.count
    return x.withUnsafeElements { source in
      Tensor(uninitialized: [tiles.pointCount, rows, 4 * inputChannels]) { target in
        guard let source = source.baseAddress, let target = target.baseAddress else { return }
        tiles.perform(
          Spreading(
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

/// The inputs of each tile, by point.
private struct Spreading: TileWork {
  let layer: HalvingConvolution
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
    for part in 0..<4 { spread(rows, columns, image, tile, part, lanes) }
  }

  /// One part of the kernel on one tile: every other row and column.
  @inline(__always)
  private func spread<Rows: ToomCook, Columns: ToomCook>(
    _ rows: Rows.Type,
    _ columns: Columns.Type,
    _ image: Int,
    _ tile: Int,
    _ part: Int,
    _ lanes: UnsafeMutablePointer<Lane>
  ) {
    let (height, width) = (Rows.size + 1, Columns.size + 1)
    let (plane, channels) = (layer.input, layer.inputChannels)
    let top = 2 * origins[tile].row + part / 2 - 1
    let left = 2 * origins[tile].column + part % 2 - 1
    let from = source + image * plane.height * plane.width * channels
    let pointStep = images * origins.count * 4 * channels
    let to = target + (image * origins.count + tile) * 4 * channels + part * channels
    for channel in stride(from: 0, to: channels, by: 8) {
      for i in 0..<height {
        let y = top + 2 * i
        let isRow = y >= 0 && y < plane.height
        for j in 0..<width {
          let x = left + 2 * j
          let isInside = isRow && x >= 0 && x < plane.width
          lanes[i * width + j] =
            isInside ? from.lane((y * plane.width + x) * channels + channel) : Lane()
        }
      }
      for j in 0..<width { Rows.spread(lanes + j, width) }
      for i in 0..<height { Columns.spread(lanes + i * width, 1) }
      for point in 0..<height * width { to.store(lanes[point], point * pointStep + channel) }
    }
  }
}

/// The outputs of each tile from the products by point.
private struct Gathering: TileWork {
  let layer: HalvingConvolution
  let images: Int
  let origins: [(row: Int, column: Int)]
  let products: UnsafePointer<Float>
  let bias: UnsafePointer<Float>
  let target: UnsafeMutablePointer<Float>
  let slope: Float

  @inline(__always)
  func callAsFunction<Rows: ToomCook, Columns: ToomCook>(
    _ rows: Rows.Type,
    _ columns: Columns.Type,
    image: Int,
    tile: Int,
    _ lanes: UnsafeMutablePointer<Lane>
  ) {
    let (height, width) = (Rows.size + 1, Columns.size + 1)
    let (plane, channels) = (layer.output, layer.outputChannels)
    let pointStep = images * origins.count * channels
    let from = products + (image * origins.count + tile) * channels
    let first = (image * plane.height + origins[tile].row) * plane.width + origins[tile].column
    for channel in stride(from: 0, to: channels, by: 8) {
      for point in 0..<height * width { lanes[point] = from.lane(point * pointStep + channel) }
      for i in 0..<height { Columns.gather(lanes + i * width, 1) }
      for j in 0..<width - 1 { Rows.gather(lanes + j, width) }
      let shift = bias.lane(channel)
      for i in 0..<height - 1 {
        for j in 0..<width - 1 {
          let value = (lanes[i * width + j] + shift).leaky(slope)
          target.store(value, (first + i * plane.width + j) * channels + channel)
        }
      }
    }
  }
}

/// All pairs of indices.
func product(_ first: Int, _ second: Int) -> [(Int, Int)] {
  (0..<first).flatMap { a in (0..<second).map { (a, $0) } }
}
