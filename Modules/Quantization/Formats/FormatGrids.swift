import Tensor

/// What the file formats of other tools ask for: groups of inputs, and zero points for every group.
extension QuantizedMatrix {
  /// Step sizes and zero points with one column per group of inputs [N × groups], symmetric grids
  /// included.
  ///
  /// - Throws: `QuantizationError.invalidScheme` if the format has no place for this layout.
  func gridsOfInputGroups(
    _ format: String
  ) throws(QuantizationError) -> (stepSizes: Tensor<Float>, zeroPoints: Tensor<UInt8>) {
    switch scheme.granularity {
    case .outputChannel, .inputGroups: break
    case .tensor, .outputGroups:
      throw .invalidScheme("\(format) holds groups of inputs or whole rows only")
    }
    let middle = UInt8(scheme.grid.middleCode)
    return (stepSizes, zeroPoints ?? Tensor(repeating: middle, shape: stepSizes.shape))
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
