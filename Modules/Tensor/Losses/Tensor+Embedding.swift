import CKernels

extension Tensor where Element == Float {
  /// The rows `ids` of a table; repeats are allowed.
  ///
  /// - Shapes: self [V × D], ids […] of 0 ..< V, result [… × D].
  public func embedding(of ids: Tensor<Int32>) -> Tensor {
    expect(rank == 2, "embedding: the table must be a matrix, found \(shape)")
    ids.check(below: shape[0], "embedding", of: shape)
    let width = shape[1]
    return Tensor(uninitialized: ids.shape.inserting(width, at: ids.rank)) { out in
      guard let to = out.baseAddress else { return }
      forEachRange(count: ids.count, grain: Swift.max(1, cheapGrain / Swift.max(width, 1))) {
        for position in $0 {
          let row = start + Int(ids.start[position]) * width
          (to + position * width).update(from: row, count: width)
        }
      }
      withExtendedLifetime((storage, ids)) {}
    }
  }

  /// Adds rows to those of this table that the ids name: the gradient of `embedding`.
  ///
  /// Threads share the columns, and each adds in the order of the ids: the sums are the same bits
  /// for any number of them.
  ///
  /// - Parameters:
  ///   - rows: what is added.
  ///   - ids: where.
  ///   - skipped: an id whose rows are left out.
  /// - Shapes: self [V × D…], rows [… × D…], ids […].
  package mutating func addRows(_ rows: Tensor, at ids: Tensor<Int32>, skipping skipped: Int32?) {
    let width = shape.droppingFirst.count
    withUnsafeMutableElements { elements in
      guard let to = elements.baseAddress else { return }
      let isSmall = rows.count < 2 * cheapGrain
      let stripe = isSmall ? width : Swift.max(128, (width / 8 + 15) / 16 * 16)
      WorkPool.forEachRange(count: width, grain: stripe) { columns in
        for position in 0..<ids.count where ids.start[position] != skipped {
          let from = rows.start + position * width + columns.lowerBound
          let row = to + Int(ids.start[position]) * width + columns.lowerBound
          ck_add(columns.count, row, from, row)
        }
      }
      withExtendedLifetime((rows.storage, ids)) {}
    }
  }
}
