import CKernels

/// Low-bit codes with their scales and zero points, and the kernels that compute with them.
///
/// Code i of a row occupies bits [i·bits, (i+1)·bits) of the row's little-endian bit stream; rows
/// are padded to 32-bit words. value[r, c] = scale[r, c / groupSize] · (code − zero[r, c / groupSize]).
///
/// - Shapes: words [N × ⌈K·bits/32⌉]; scales [N × ⌈K/groupSize⌉], or [1 × 1] for one scale for all;
///   zeros as scales, or nil where every zero point is 2^(bits−1).
package struct PackedRows: Sendable {
  package let bits: Int
  package let columnCount: Int
  package let groupSize: Int
  package let words: Tensor<Int32>
  package let scales: Tensor<Float>
  package let zeros: Tensor<Float>?

  package init(
    bits: Int,
    columnCount: Int,
    groupSize: Int,
    words: Tensor<Int32>,
    scales: Tensor<Float>,
    zeros: Tensor<Float>?
  ) {
    self.bits = bits
    self.columnCount = columnCount
    self.groupSize = groupSize
    self.words = words
    self.scales = scales
    self.zeros = zeros
  }

  /// The 32-bit words that `count` codes of `bits` bits fill.
  package static func wordCount(codes count: Int, bits: Int) -> Int { (count * bits + 31) / 32 }

  package var rowCount: Int { words.shape[0] }

  /// x Wᵀ + bias from the codes; no dequantized copy of W exists at any time.
  package func product(with input: Tensor<Float>, bias: Tensor<Float>?) -> Tensor<Float> {
    withRows { $0.product(with: input, bias: bias) }
  }

  /// gradient · W from the codes; gradient [… × N], result [… × K].
  package func inputGradient(_ gradient: Tensor<Float>) -> Tensor<Float> {
    withRows { $0.inputGradient(gradient) }
  }

  /// The rows `indices` as floats [indices.count × K].
  package func rows(_ indices: [Int32]) -> Tensor<Float> { withRows { $0.expanded(indices) } }

  /// Packs codes [N × K], each below 2^bits, into words [N × ⌈K·bits/32⌉].
  package static func packing(_ codes: Tensor<UInt8>, bits: Int) -> Tensor<Int32> {
    let (rows, columns) = (codes.shape[0], codes.shape[1])
    let width = wordCount(codes: columns, bits: bits)
    return codes.withUnsafeElements { source in
      Tensor<Int32>(uninitialized: [rows, width]) { target in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        to.withMemoryRebound(to: UInt32.self, capacity: target.count) { words in
          for row in 0..<rows {
            ck_pack(columns, from + row * columns, Int32(bits), words + row * width)
          }
        }
      }
    }
  }

  /// The codes [N × K].
  package func codes() -> Tensor<UInt8> {
    let width = words.shape[1]
    return words.withUnsafeElements { source in
      Tensor<UInt8>(uninitialized: [rowCount, columnCount]) { target in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        from.withMemoryRebound(to: UInt32.self, capacity: source.count) { words in
          for row in 0..<rowCount {
            ck_unpack(columnCount, words + row * width, Int32(bits), to + row * columnCount)
          }
        }
      }
    }
  }

  private func withRows<Result>(_ body: (ck_rows) -> Result) -> Result {
    words.withUnsafeElements { words in
      scales.withUnsafeElements { scales in
        var rows = ck_rows()
        rows.storage = CK_PACKED
        rows.row_count = rowCount
        rows.column_count = columnCount
        rows.data = UnsafeRawPointer(words.baseAddress)
        rows.row_stride = self.words.shape[1]
        rows.bits = Int32(bits)
        rows.group_size = groupSize
        rows.scale = scales.baseAddress
        rows.scale_stride = self.scales.shape[0] == 1 && rowCount > 1 ? 0 : self.scales.shape[1]
        guard let zeros else { return body(rows) }
        return zeros.withUnsafeElements { zeros in
          rows.zero = zeros.baseAddress
          return body(rows)
        }
      }
    }
  }
}
