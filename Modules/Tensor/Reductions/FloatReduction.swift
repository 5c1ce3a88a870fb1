import CKernels

/// Reduces the middle axis of [outer × reduced × inner] floats in a fixed order.
///
/// The partial results, their order and what a thread gets depend on the extents alone.
struct FloatReduction {
  let reduction: Reduction
  let block: ReductionBlock
  let source: UnsafePointer<Float>
  /// [outer × inner] for `Reduction.squares`, else nil.
  let centre: UnsafePointer<Double>?

  /// Writes [outer × inner] results.
  func run(_ out: UnsafeMutablePointer<Double>) {
    guard block.outer > 0, block.inner > 0 else { return }
    if block.inner == 1 {
      rows(out)
    } else {
      out.update(repeating: reduction.start, count: block.outer * block.inner)
      if block.reduced > 0 { columns(out) }
    }
  }

  // MARK: - Rows: nothing lies between neighbours

  private func rows(_ out: UnsafeMutablePointer<Double>) {
    let width = block.reduced
    if width <= 2 * cheapGrain {
      forEachRange(count: block.outer, grain: max(1, cheapGrain / max(width, 1))) { rows in
        reduceRows(rows.count, width, rows.lowerBound * width, rows.lowerBound, out)
      }
      return
    }
    let chunks = (width + cheapGrain - 1) / cheapGrain
    withUnsafeTemporaryAllocation(of: Double.self, capacity: block.outer * chunks) { partial in
      guard let start = partial.baseAddress else { return }
      WorkPool.forEach(parts: partial.count) { part in
        let (row, first) = (part / chunks, part % chunks * cheapGrain)
        let count = min(cheapGrain, width - first)
        var value = 0.0
        let middle = centre.map { $0 + row }
        let from = source + row * width + first
        ck_reduce_rows(reduction.rawValue, 1, count, from, width, middle, &value)
        start[part] = value
      }
      for row in 0..<block.outer {
        let own = partial[row * chunks..<(row + 1) * chunks]
        out[row] = own.reduce(reduction.start, reduction.join)
      }
    }
  }

  private func reduceRows(
    _ rows: Int,
    _ width: Int,
    _ from: Int,
    _ row: Int,
    _ out: UnsafeMutablePointer<Double>
  ) {
    let middle = centre.map { $0 + row }
    ck_reduce_rows(reduction.rawValue, rows, width, source + from, width, middle, out + row)
  }

  // MARK: - Columns

  /// The rows of a part: partial sums of parts are joined in order.
  private var rowsOfPart: Int { max(64, cheapGrain / block.inner / 64 * 64) }

  private func columns(_ out: UnsafeMutablePointer<Double>) {
    let (height, width) = (block.reduced, block.inner)
    if height * width <= 2 * cheapGrain || height <= 2 * rowsOfPart {
      let grain = max(1, cheapGrain / (height * width))
      forEachRange(count: block.outer, grain: grain) { range in
        for index in range { reduceColumns(index, 0..<height, out + index * width) }
      }
      return
    }
    let chunks = (height + rowsOfPart - 1) / rowsOfPart
    let parts = block.outer * chunks
    withUnsafeTemporaryAllocation(of: Double.self, capacity: parts * width) { partial in
      guard let start = partial.baseAddress else { return }
      partial.update(repeating: reduction.start)
      WorkPool.forEach(parts: parts) { part in
        let first = part % chunks * rowsOfPart
        let rows = first..<min(first + rowsOfPart, height)
        reduceColumns(part / chunks, rows, start + part * width)
      }
      for part in 0..<parts {
        let (from, to) = (start + part * width, out + part / chunks * width)
        for column in 0..<width { to[column] = reduction.join(to[column], from[column]) }
      }
    }
  }

  private func reduceColumns(
    _ index: Int,
    _ rows: Range<Int>,
    _ out: UnsafeMutablePointer<Double>
  ) {
    let width = block.inner
    let from = source + (index * block.reduced + rows.lowerBound) * width
    let middle = centre.map { $0 + index * width }
    ck_reduce_columns(reduction.rawValue, rows.count, width, from, width, middle, out)
  }
}
