import Tensor

/// What the file formats of other tools ask for: groups of inputs, and zero points for every group.
extension QuantizedMatrix {
  /// Step sizes and zero points with one column per group of inputs [N × groups]: symmetric grids
  /// included, and the step size of a whole matrix repeated for each row.
  ///
  /// - Throws: `QuantizationError.invalidScheme` if the format has no place for this layout.
  func gridsOfInputGroups(
    _ format: String
  ) throws(QuantizationError) -> (stepSizes: Tensor<Float>, zeroPoints: Tensor<UInt8>) {
    let middle = UInt8(scheme.grid.middleCode)
    let zeros = zeroPoints ?? Tensor(repeating: middle, shape: stepSizes.shape)
    switch scheme.granularity {
    case .outputChannel, .inputGroups: return (stepSizes, zeros)
    case .tensor:
      let first = [Int32](repeating: 0, count: shape[0])
      return (stepSizes.rows(first), zeros.rows(first))
    case .outputGroups:
      throw .invalidScheme(
        "\(format) holds groups of inputs or whole rows, not groups of outputs; choose the "
          + "granularity channel or group"
      )
    }
  }

  /// The same weights on a symmetric grid where all zero points lie in its middle.
  func withoutNeedlessZeroPoints() -> QuantizedMatrix {
    let middle = UInt8(scheme.grid.middleCode)
    guard let zeroPoints, zeroPoints.elements.allSatisfy({ $0 == middle }),
      let grid = try? QuantizationGrid(bits: scheme.grid.bits, isSymmetric: true),
      let scheme = try? WeightScheme(
        grid: grid,
        granularity: scheme.granularity,
        range: scheme.range,
        scaleType: scheme.scaleType
      )
    else { return self }
    return QuantizedMatrix(
      scheme: scheme,
      columnCount: shape[1],
      words: words,
      stepSizes: stepSizes,
      zeroPoints: nil,
      inputOrder: inputOrder
    )
  }

  /// The same weights with zero points, symmetric grids included.
  func withZeroPoints() throws(QuantizationError) -> QuantizedMatrix {
    guard zeroPoints == nil else { return self }
    let middle = UInt8(scheme.grid.middleCode)
    return QuantizedMatrix(
      scheme: try WeightScheme(
        grid: QuantizationGrid(bits: scheme.grid.bits),
        granularity: scheme.granularity,
        range: scheme.range,
        scaleType: scheme.scaleType
      ),
      columnCount: shape[1],
      words: words,
      stepSizes: stepSizes,
      zeroPoints: Tensor(repeating: middle, shape: stepSizes.shape),
      inputOrder: inputOrder
    )
  }

  /// Refuses matrices whose extents do not fill whole words.
  func requireMultiple(
    of count: Int,
    _ extent: Int,
    _ name: String,
    _ format: String
  ) throws(QuantizationError) {
    guard extent % count == 0 else {
      throw .invalidScheme("\(format) needs \(name) in multiples of \(count), found \(extent)")
    }
  }
}

/// Codes in 32-bit words, one dense little-endian stream per row.
enum CodeWords {
  /// [N × K] to [N × ⌈K·bits/32⌉].
  static func packing(_ codes: Tensor<UInt8>, bits: Int) -> Tensor<Int32> {
    PackedRows.packing(codes, bits: bits)
  }

  /// The first `count` codes of each row.
  static func unpacking(_ words: Tensor<Int32>, bits: Int, count: Int) -> Tensor<UInt8> {
    PackedRows(
      bits: bits,
      columnCount: count,
      groupSize: max(count, 1),
      words: words,
      scales: .ones([1, 1]),
      zeros: nil
    ).codes()
  }

  /// The granularity of K inputs in so many groups.
  static func granularity(
    of groups: Int,
    inputs: Int,
    size: Int?
  ) -> Granularity {
    groups == 1 ? .outputChannel : .inputGroups(size ?? (inputs + groups - 1) / groups)
  }
}
