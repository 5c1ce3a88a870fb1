import CKernels

/// Rows of binary codes with their scales, and the kernels that compute with them.
///
///     value[r, c] = offset[r, g] + Σ_i scale[r, g, i] · b_i[r, c],  b_i ∈ {−1, +1},  g = c / groupSize
///
/// Bit c % 32 of word c / 32 of a plane says +1.
///
/// - Shapes: words [N × planes × ⌈K/32⌉]; scales [N × ⌈K/groupSize⌉ × planes]; offsets
///   [N × ⌈K/groupSize⌉] or nil for zeros.
package struct BinaryRows: Sendable {
  package let planeCount: Int
  package let columnCount: Int
  package let groupSize: Int
  package let words: Tensor<Int32>
  package let scales: Tensor<Float>
  package let offsets: Tensor<Float>?

  package init(
    planeCount: Int,
    columnCount: Int,
    groupSize: Int,
    words: Tensor<Int32>,
    scales: Tensor<Float>,
    offsets: Tensor<Float>?
  ) {
    let groups = (columnCount + groupSize - 1) / max(groupSize, 1)
    expect(
      groupSize > 0 && words.rank == 3
        && words.shape == [words.shape[0], planeCount, Self.wordCount(columns: columnCount)]
        && scales.shape == [words.shape[0], groups, planeCount]
        && (offsets?.shape ?? [words.shape[0], groups]) == [words.shape[0], groups],
      "binary rows: \(words.shape) words, \(scales.shape) scales and \(offsets?.shape ?? []) offsets "
        + "for \(planeCount) planes of \(columnCount) columns in groups of \(groupSize)"
    )
    self.planeCount = planeCount
    self.columnCount = columnCount
    self.groupSize = groupSize
    self.words = words
    self.scales = scales
    self.offsets = offsets
  }

  /// The 32-bit words of a plane of a row.
  package static func wordCount(columns count: Int) -> Int { (count + 31) / 32 }

  package var rowCount: Int { words.shape[0] }

  /// x Wᵀ + bias from the codes; no dense copy of W exists at any time.
  package func product(with input: Tensor<Float>, bias: Tensor<Float>?) -> Tensor<Float> {
    withRows { $0.product(with: input, bias: bias) }
  }

  /// gradient · W from the codes; gradient [… × N], result [… × K].
  package func inputGradient(_ gradient: Tensor<Float>) -> Tensor<Float> {
    withRows { $0.inputGradient(gradient) }
  }

  /// The rows `indices` as floats [indices.count × K].
  package func rows(_ indices: [Int32]) -> Tensor<Float> { withRows { $0.expanded(indices) } }

  private func withRows<Result>(_ body: (ck_rows) -> Result) -> Result {
    words.withUnsafeElements { words in
      scales.withUnsafeElements { scales in
        var rows = ck_rows()
        rows.storage = CK_BINARY
        rows.row_count = rowCount
        rows.column_count = columnCount
        rows.data = UnsafeRawPointer(words.baseAddress)
        rows.row_stride = self.words.shape[1] * self.words.shape[2]
        rows.bits = Int32(planeCount)
        rows.group_size = groupSize
        rows.scale = scales.baseAddress
        rows.scale_stride = self.scales.shape[1] * planeCount
        guard let offsets else { return body(rows) }
        return offsets.withUnsafeElements { offsets in
          rows.zero = offsets.baseAddress
          return body(rows)
        }
      }
    }
  }
}
