import CKernels

extension Tensor where Element == Float {
  /// x Wᵀ + bias.
  ///
  /// - Shapes: self [… × K], weight [N × K], bias [N] or nil, result [… × N].
  public func linear(weight: Tensor, bias: Tensor? = nil) -> Tensor {
    expect(
      rank > 0 && weight.rank == 2 && weight.shape[1] == shape[-1],
      "linear: inner extents differ, \(shape) · \(weight.shape)ᵀ"
    )
    let outputs = weight.shape[0]
    expect(
      bias.map { $0.rank == 1 && $0.count == outputs } ?? true,
      "linear: the bias does not fit, \(bias?.shape ?? []) · \(weight.shape)ᵀ"
    )
    let result = Tensor(
      uninitialized: rank == 2 ? [shape[0], outputs] : shape.replacingLast(with: outputs)
    ) { _ in }
    guard result.count > 0 else { return result }
    var rows = ck_rows()
    rows.storage = CK_FLOAT32
    rows.row_count = outputs
    rows.column_count = shape[-1]
    rows.row_stride = shape[-1]
    rows.data = UnsafeRawPointer(weight.start)
    ck_linear(
      &rows,
      result.count / outputs,
      start,
      rows.column_count,
      bias?.start,
      result.start,
      outputs
    )
    withExtendedLifetime((self, weight, bias)) {}
    return result
  }

  /// Adds the sum over all axes but the last in place: the gradient of a bias.
  ///
  /// Rows are summed in runs of 256, then the runs, in order.
  ///
  /// - Shapes: self [N], other [… × N].
  package mutating func accumulateColumnSums(of other: Tensor) {
    expect(
      rank == 1 && other.rank > 0 && other.shape[-1] == shape[0],
      "accumulate column sums: \(other.shape) does not go into \(shape)"
    )
    let width = shape[0]
    guard other.count > 0 else { return }
    let rows = other.count / width
    other.withUnsafeElements { source in
      withUnsafeMutableElements { target in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        // Parts of whole cache lines that are long enough for the vectors.
        let grain = rows * width < vectorGrain ? width : Swift.min(width, 128)
        WorkPool.forEachRange(count: width, grain: grain) { columns in
          addColumnSums(rows, columns, width, from, to)
        }
      }
    }
  }
}

/// Adds the sums of some columns of a matrix of rows to `to`.
private func addColumnSums(
  _ rows: Int,
  _ columns: Range<Int>,
  _ width: Int,
  _ from: UnsafePointer<Float>,
  _ to: UnsafeMutablePointer<Float>
) {
  let (first, count) = (columns.lowerBound, columns.count)
  withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { buffer in
    guard let run = buffer.baseAddress else { return }
    for start in stride(from: 0, to: rows, by: 256) {
      run.update(from: from + start * width + first, count: count)
      for row in start + 1..<max(min(start + 256, rows), start + 1) {
        ck_add(count, run, from + row * width + first, run)
      }
      ck_add(count, to + first, run, to + first)
    }
  }
}
