import Tensor

/// The grids of all groups of a weight matrix.
///
/// - Shapes: step sizes and zero points as `layout.shape`, [row groups × column groups].
struct WeightGrids: Sendable {
  let scheme: WeightScheme
  let layout: GroupLayout
  var stepSizes: Tensor<Float>
  var zeroPoints: Tensor<Float>

  /// The grids that the scheme finds for a weight [N × K].
  ///
  /// - Throws: `QuantizationError.notFinite` with the first row that is not finite, or whose range
  ///   overflows.
  init(
    _ weight: Tensor<Float>,
    scheme: WeightScheme,
    layer: String
  ) throws(QuantizationError) {
    expect(weight.rank == 2, "quantize: a matrix is needed, found \(weight.shape)")
    let layout = scheme.granularity.layout(for: weight.shape)
    let shape = scheme.granularity.scaleShape(for: weight.shape)
    let search = GridSearch(scheme, for: weight)
    var grids: (steps: Tensor<Float>, zeros: Tensor<Float>)?
    switch scheme.granularity {
    case .tensor:
      if let grid = weight.withUnsafeElements({ search.grid(for: $0) }) {
        grids = (Tensor([grid.stepSize], shape: shape), Tensor([grid.zeroPoint], shape: shape))
      }
    case .outputChannel, .inputGroups:
      grids = Self.find(weight, layout, search)
    case .outputGroups:
      // Groups of a column are groups of a row of the transposed matrix.
      grids = Self.find(weight.transposed(), layout.transposed, search).map {
        ($0.steps.transposed(), $0.zeros.transposed())
      }
    }
    guard let grids else {
      throw .notFinite(layer: layer, row: Self.firstBadRow(of: weight, scheme, search))
    }
    self.scheme = scheme
    self.layout = layout
    (stepSizes, zeroPoints) = grids
  }

  /// Given grids.
  init(
    scheme: WeightScheme,
    layout: GroupLayout,
    stepSizes: Tensor<Float>,
    zeroPoints: Tensor<Float>
  ) {
    self.scheme = scheme
    self.layout = layout
    self.stepSizes = stepSizes
    self.zeroPoints = zeroPoints
  }

  /// The grids of groups inside rows, row by row; nil if one cannot be found.
  private static func find(
    _ weight: Tensor<Float>,
    _ layout: GroupLayout,
    _ search: GridSearch
  ) -> (steps: Tensor<Float>, zeros: Tensor<Float>)? {
    let (columns, groups) = (layout.columnCount, layout.columnGroups)
    var steps = Tensor<Float>.zeros(layout.shape)
    var zeros = Tensor<Float>.zeros(layout.shape)
    var failed = Tensor<Bool>.zeros([max(layout.rowCount, 1)])
    weight.withUnsafeElements { weights in
      steps.withUnsafeMutableElements { steps in
        zeros.withUnsafeMutableElements { zeros in
          failed.withUnsafeMutableElements { failed in
            WorkPool.forEach(parts: layout.rowCount) { row in
              for group in 0..<groups {
                let start = row * columns + group * layout.columnsPerGroup
                let end = min(start + layout.columnsPerGroup, (row + 1) * columns)
                let values = UnsafeBufferPointer(rebasing: weights[start..<end])
                guard let grid = search.grid(for: values) else {
                  failed[row] = true
                  continue
                }
                steps[row * groups + group] = grid.stepSize
                zeros[row * groups + group] = grid.zeroPoint
              }
            }
          }
        }
      }
    }
    return failed.elements.contains(true) ? nil : (steps, zeros)
  }

  /// The first row with a weight that is not finite; else the first whose own range overflows.
  private static func firstBadRow(
    of weight: Tensor<Float>,
    _ scheme: WeightScheme,
    _ search: GridSearch
  ) -> Int {
    let columns = weight.shape[1]
    return weight.withUnsafeElements { weights in
      let rows = (0..<weight.shape[0]).map { row in
        UnsafeBufferPointer(rebasing: weights[row * columns..<(row + 1) * columns])
      }
      return rows.firstIndex { !$0.allSatisfy(\.isFinite) }
        ?? rows.firstIndex { search.grid(for: $0) == nil } ?? 0
    }
  }

  // MARK: - Codes

  /// The nearest codes of a weight [N × K], and Σ (ŵ − w)².
  func codes(of weight: Tensor<Float>) -> (codes: Tensor<UInt8>, squaredError: Double) {
    if case .outputGroups = scheme.granularity {
      let turned = WeightGrids(
        scheme: scheme,
        layout: layout.transposed,
        stepSizes: stepSizes.transposed(),
        zeroPoints: zeroPoints.transposed()
      )
      let (codes, error) = turned.codesOfRows(weight.transposed())
      return (codes.transposed(), error)
    }
    return codesOfRows(weight)
  }

  private func codesOfRows(_ weight: Tensor<Float>) -> (Tensor<UInt8>, Double) {
    let (columns, groups) = (layout.columnCount, layout.columnGroups)
    let bits = scheme.grid.bits
    var codes = Tensor<UInt8>.zeros(weight.shape)
    var errors = Tensor<Double>.zeros([max(layout.rowCount, 1)])
    weight.withUnsafeElements { weights in
      stepSizes.withUnsafeElements { steps in
        zeroPoints.withUnsafeElements { zeros in
          codes.withUnsafeMutableElements { codes in
            errors.withUnsafeMutableElements { errors in
              WorkPool.forEach(parts: layout.rowCount) { row in
                for group in 0..<groups {
                  let start = row * columns + group * layout.columnsPerGroup
                  let end = min(start + layout.columnsPerGroup, (row + 1) * columns)
                  guard start < end, let target = codes.baseAddress else { continue }
                  let values = UnsafeBufferPointer(rebasing: weights[start..<end])
                  let index = row / layout.rowsPerGroup * groups + group
                  let (size, zero) = (steps[index], zeros[index])
                  GroupRounding.quantize(
                    values,
                    stepSize: size,
                    zeroPoint: zero,
                    bits: bits,
                    into: target + start
                  )
                  errors[row] += GroupRounding.squaredError(
                    values,
                    stepSize: size,
                    zeroPoint: zero,
                    bits: bits
                  )
                }
              }
            }
          }
        }
      }
    }
    return (codes, errors.elements.reduce(0, +))
  }

  /// A matrix of these grids.
  func matrix(codes: Tensor<UInt8>, inputOrder: Tensor<Int32>? = nil) -> QuantizedMatrix {
    QuantizedMatrix(
      scheme: scheme,
      columnCount: layout.columnCount,
      words: PackedRows.packing(codes, bits: scheme.grid.bits),
      stepSizes: stepSizes,
      zeroPoints: scheme.grid.isSymmetric
        ? nil : Tensor(zeroPoints.elements.map { UInt8($0) }, shape: zeroPoints.shape),
      inputOrder: inputOrder
    )
  }
}
