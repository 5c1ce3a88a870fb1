// Rows with the same segment id are joined: points of a voxel, patches of a picture.

extension Tensor where Element == Float {
  /// The sum of each segment's rows; 0 where a segment has none.
  ///
  /// Rows add up in their order, for any number of threads.
  ///
  /// - Shapes: self [N × …], ids [N] of 0 ..< count, result [count × …].
  public func segmentSum(_ ids: Tensor<Int32>, count: Int) -> Tensor {
    checkSegments(ids, count)
    return Tensor.zeros(shape.replacingFirst(with: count)).adding(self, at: ids, axis: 0)
  }

  /// The mean of each segment's rows; 0 where a segment has none.
  ///
  /// - Shapes: self [N × …], ids [N] of 0 ..< count, result [count × …].
  public func segmentMean(_ ids: Tensor<Int32>, count: Int) -> Tensor {
    let sums = segmentSum(ids, count: count)
    let divisors = ids.segmentCounts(count).map { Float(Swift.max($0, 1)) }
    let extents = [count] + Array(repeating: 1, count: rank - 1)
    return sums / Tensor(divisors, shape: Shape(extents))
  }

  /// The largest elements of each segment's rows; `empty` where a segment has none, NaN wins.
  ///
  /// - Shapes: self [N × …], ids [N] of 0 ..< count, result [count × …].
  public func segmentMax(_ ids: Tensor<Int32>, count: Int, empty: Float = 0) -> Tensor {
    checkSegments(ids, count)
    let width = shape.droppingFirst.count
    var result = Tensor(repeating: -.infinity, shape: shape.replacingFirst(with: count))
    result.withUnsafeMutableElements { target in
      guard let to = target.baseAddress else { return }
      for position in 0..<ids.count {
        let row = to + Int(ids.start[position]) * width
        let from = start + position * width
        for column in 0..<width {
          let x = from[column]
          row[column] = x > row[column] || x.isNaN ? x : row[column]
        }
      }
      for (segment, members) in ids.segmentCounts(count).enumerated() where members == 0 {
        (to + segment * width).update(repeating: empty, count: width)
      }
      withExtendedLifetime((storage, ids.storage)) {}
    }
    return result
  }

  private func checkSegments(_ ids: Tensor<Int32>, _ count: Int) {
    expect(
      rank > 0 && ids.rank == 1 && ids.shape[0] == shape[0],
      "segments: ids \(ids.shape) for the rows of \(shape)"
    )
    expect(count >= 0, "segments: a count of \(count)")
    ids.check(below: count, "segments", of: [count])
  }
}

extension Tensor where Element == Int32 {
  /// How often each id of 0 ..< count occurs.
  package func segmentCounts(_ count: Int) -> [Int] {
    withUnsafeElements { ids in
      ids.reduce(into: Array(repeating: 0, count: count)) { $0[Int($1)] += 1 }
    }
  }
}
