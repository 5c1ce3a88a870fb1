import Tensor

/// One pass of GPTQ over the columns of a weight.
///
/// Rows do not depend on each other inside a block of columns (rows of one group of outputs share
/// their grids), so they go to several threads; between two blocks comes a matrix product. No bit
/// depends on the thread count.
struct GPTQSweep {
  private let settings: GPTQ
  private let factor: GPTQFactor
  private let original: WeightGrids
  private let search: GridSearch
  /// W in the order of the columns, without those that have no input.
  private let weight: Tensor<Float>
  /// The columns that share a grid which is found on the way; nil for grids known before.
  private let movingGroup: Int?
  private let rowsPerBand: Int

  init(_ settings: GPTQ, _ weight: Tensor<Float>, _ factor: GPTQFactor, _ original: WeightGrids) {
    self.settings = settings
    self.factor = factor
    search = GridSearch(original.scheme, for: weight)
    var cleared = weight
    let columns = weight.shape[1]
    cleared.withUnsafeMutableElements { elements in
      for (column, isDead) in factor.dead.enumerated() where isDead {
        for row in 0..<weight.shape[0] { elements[row * columns + column] = 0 }
      }
    }
    let (moving, band): (Int?, Int) =
      switch original.scheme.granularity {
      case .tensor, .outputChannel: (nil, 1)
      case .inputGroups(let size): (settings.groupGrids == .fixed ? nil : size, 1)
      case .outputGroups(let size): (1, size)
      }
    (movingGroup, rowsPerBand) = (moving, band)
    if case .inputGroups = original.scheme.granularity, moving == nil,
      let grids = try? WeightGrids(cleared, scheme: original.scheme, layer: "")
    {
      self.original = grids
    } else {
      self.original = original
    }
    self.weight = cleared.taking(Tensor(factor.order), axis: 1)
  }

  private var granularity: Granularity { original.scheme.granularity }
  private var rows: Int { weight.shape[0] }
  private var columns: Int { weight.shape[1] }

  /// The blocks: a group whose grid is to be fresh starts a block or lies inside one.
  private var blocks: [Range<Int>] {
    var starts = Array(stride(from: 0, to: columns, by: settings.blockSize))
    if case .inputGroups(let size) = granularity, settings.groupGrids == .fresh {
      if size < settings.blockSize {
        starts = Array(stride(from: 0, to: columns, by: settings.blockSize / size * size))
      } else {
        starts = stride(from: 0, to: columns, by: size).flatMap {
          stride(from: $0, to: min($0 + size, columns), by: settings.blockSize)
        }
      }
    }
    return zip(starts, starts.dropFirst() + [columns]).map { $0..<$1 }
  }

  /// The codes and the loss; nil where a grid could not be found.
  func run() -> (matrix: QuantizedMatrix, loss: Double)? {
    var state = SweepState(weight, original, blockWidth: blocks.map(\.count).max() ?? 0)
    let bands = (rows + rowsPerBand - 1) / rowsPerBand
    let grain = max(1, 8 / rowsPerBand)
    factor.upper.withUnsafeElements { upper in
      guard let upper = upper.baseAddress else { return }
      state.withPointers { view in
        for block in blocks {
          WorkPool.forEachRange(count: bands, grain: grain) { range in
            for band in range {
              let first = band * rowsPerBand
              sweep(block, first..<min(first + rowsPerBand, rows), upper, view)
            }
          }
          MatrixUpdates.addProduct(
            rows: rows,
            columns: columns - block.upperBound,
            inner: block.count,
            (UnsafePointer(view.errors), view.blockWidth),
            (upper + block.lowerBound * columns + block.upperBound, columns),
            to: (view.weights + block.upperBound, columns)
          )
        }
      }
    }
    guard !state.failed.elements.contains(true) else { return nil }
    return (matrix(state), state.losses.elements.reduce(0, +))
  }

  private func matrix(_ state: SweepState) -> QuantizedMatrix {
    let grids = WeightGrids(
      scheme: original.scheme,
      layout: original.layout,
      stepSizes: state.steps,
      zeroPoints: state.zeros
    )
    let isNatural = settings.order == .natural
    if case .inputGroups = granularity, movingGroup != nil, !isNatural {
      // Groups are neighbours in the order of the sweep only.
      return grids.matrix(codes: state.codes, inputOrder: Tensor(factor.order))
    }
    guard !isNatural else { return grids.matrix(codes: state.codes) }
    var places = [Int32](repeating: 0, count: columns)
    for (place, input) in factor.order.enumerated() { places[Int(input)] = Int32(place) }
    return grids.matrix(codes: state.codes.taking(Tensor(places), axis: 1))
  }

  // MARK: - Inside a block

  private func sweep(
    _ block: Range<Int>,
    _ band: Range<Int>,
    _ upper: UnsafePointer<Float>,
    _ view: SweepView
  ) {
    let width = view.blockWidth
    for row in band {
      (view.working + row * width).update(
        from: view.weights + row * columns + block.lowerBound,
        count: block.count
      )
    }
    let top = Float(original.scheme.grid.maximumCode)
    for column in block {
      findGrids(column, block, band, view)
      let place = column - block.lowerBound
      let diagonal = upper[column * columns + column]
      for row in band {
        let index = gridIndex(row, column)
        let (step, zero) = (view.steps[index], view.zeros[index])
        let working = view.working + row * width
        let value = working[place]
        let code = Self.code(value, step, zero, top)
        let error = (value - step * (code - zero)) / diagonal
        view.codes[row * columns + column] = UInt8(code)
        view.losses[row] += Double(error) * Double(error) / 2
        view.errors[row * width + place] = -error
        let rest = block.upperBound - column - 1
        MatrixUpdates.addScaled(
          upper + column * columns + column + 1,
          by: -error,
          to: working + place + 1,
          count: rest
        )
      }
    }
  }

  /// clamp(round(x / s) + z, 0, top), as the kernels round.
  @inline(__always)
  private static func code(_ value: Float, _ step: Float, _ zero: Float, _ top: Float) -> Float {
    let magic: Float = 12_582_912
    let quotient = min(max(value / step, -4_194_304), 4_194_304)
    let code = (quotient + magic) - magic + zero
    return code > 0 ? min(code, top) : 0
  }

  @inline(__always)
  private func gridIndex(_ row: Int, _ column: Int) -> Int {
    switch granularity {
    case .tensor: 0
    case .outputChannel: row
    case .inputGroups(let size):
      row * original.layout.columnGroups
        + (movingGroup == nil ? Int(factor.order[column]) : column) / size
    case .outputGroups(let size): row / size * columns + Int(factor.order[column])
    }
  }

  /// Finds the grids that begin at a column.
  private func findGrids(
    _ column: Int,
    _ block: Range<Int>,
    _ band: Range<Int>,
    _ view: SweepView
  ) {
    guard let movingGroup, column % movingGroup == 0 else { return }
    let place = column - block.lowerBound
    if case .outputGroups = granularity {
      let values = band.map { view.working[$0 * view.blockWidth + place] }
      let grid = values.withUnsafeBufferPointer { search.grid(for: $0) }
      store(grid, band.lowerBound, column, view)
      return
    }
    let count = min(movingGroup, columns - column)
    for row in band {
      // At a block's start the weights are fresh too, beyond the block as well.
      let isFresh = settings.groupGrids == .fresh && place > 0
      let start =
        isFresh
        ? view.working + row * view.blockWidth + place : view.weights + row * columns + column
      store(search.grid(for: UnsafeBufferPointer(start: start, count: count)), row, column, view)
    }
  }

  private func store(_ grid: GroupGrid?, _ row: Int, _ column: Int, _ view: SweepView) {
    guard let grid else {
      view.failed[row] = true
      return
    }
    let index = gridIndex(row, column)
    view.steps[index] = grid.stepSize
    view.zeros[index] = grid.zeroPoint
  }
}

/// What a sweep changes.
private struct SweepState {
  var weights: Tensor<Float>
  var steps: Tensor<Float>
  var zeros: Tensor<Float>
  var codes: Tensor<UInt8>
  var losses: Tensor<Double>
  var failed: Tensor<Bool>
  var working: Tensor<Float>
  var errors: Tensor<Float>
  let blockWidth: Int

  init(_ weight: Tensor<Float>, _ grids: WeightGrids, blockWidth: Int) {
    weights = weight
    (steps, zeros) = (grids.stepSizes, grids.zeroPoints)
    codes = .zeros(weight.shape)
    losses = .zeros([weight.shape[0]])
    failed = .zeros([weight.shape[0]])
    working = .zeros([weight.shape[0], blockWidth])
    errors = .zeros([weight.shape[0], blockWidth])
    self.blockWidth = blockWidth
  }

  mutating func withPointers(_ body: (SweepView) -> Void) {
    let blockWidth = blockWidth
    weights.withUnsafeMutableElements { weights in
      steps.withUnsafeMutableElements { steps in
        zeros.withUnsafeMutableElements { zeros in
          codes.withUnsafeMutableElements { codes in
            losses.withUnsafeMutableElements { losses in
              failed.withUnsafeMutableElements { failed in
                working.withUnsafeMutableElements { working in
                  errors.withUnsafeMutableElements { errors in
                    guard let weights = weights.baseAddress, let steps = steps.baseAddress,
                      let zeros = zeros.baseAddress, let codes = codes.baseAddress,
                      let losses = losses.baseAddress, let failed = failed.baseAddress,
                      let working = working.baseAddress, let errors = errors.baseAddress
                    else { return }
                    body(
                      SweepView(
                        weights: weights,
                        steps: steps,
                        zeros: zeros,
                        codes: codes,
                        losses: losses,
                        failed: failed,
                        working: working,
                        errors: errors,
                        blockWidth: blockWidth
                      )
                    )
                  }
                }
              }
            }
          }
        }
      }
    }
  }
}

/// Where a sweep's arrays lie; bands of rows write to different places.
private struct SweepView {
  let weights: UnsafeMutablePointer<Float>
  let steps: UnsafeMutablePointer<Float>
  let zeros: UnsafeMutablePointer<Float>
  let codes: UnsafeMutablePointer<UInt8>
  let losses: UnsafeMutablePointer<Double>
  let failed: UnsafeMutablePointer<Bool>
  let working: UnsafeMutablePointer<Float>
  let errors: UnsafeMutablePointer<Float>
  let blockWidth: Int
}
