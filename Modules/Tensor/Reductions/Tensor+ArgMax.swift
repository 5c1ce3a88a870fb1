import CKernels

extension Tensor where Element == Float {
  /// The first index of the largest element along an axis; a NaN counts as the largest.
  ///
  /// - Shapes: self [… × N × …] with N ≥ 1, result without that axis.
  public func argMax(axis: Int = -1) -> Tensor<Int32> { extremeIndices(true, axis, "argMax") }

  /// The first index of the smallest element along an axis; a NaN counts as the smallest.
  ///
  /// - Shapes: self [… × N × …] with N ≥ 1, result without that axis.
  public func argMin(axis: Int = -1) -> Tensor<Int32> { extremeIndices(false, axis, "argMin") }

  private func extremeIndices(_ largest: Bool, _ axis: Int, _ operation: String) -> Tensor<Int32> {
    let position = shape.position(of: axis, operation)
    let (extents, extent) = (shape.slots, shape.slots[position])
    var (outer, inner) = (1, 1)
    for earlier in 0..<position { outer *= extents[earlier] }
    for later in (position + 1)..<Shape.maximumRank { inner *= extents[later] }
    expect(extent > 0 || outer * inner == 0, "\(operation): axis \(axis) of \(shape) is empty")
    return Tensor<Int32>(uninitialized: shape.removing(axis: position)) { target in
      guard let to = target.baseAddress, !target.isEmpty else { return }
      let grain = Swift.max(1, cheapGrain / (extent * inner))
      forEachRange(count: outer, grain: grain) { range in
        let from = start + range.lowerBound * extent * inner
        if inner == 1 {
          ck_arg_rows(largest, range.count, extent, from, to + range.lowerBound)
        } else {
          for index in range {
            let block = start + index * extent * inner
            ck_arg_columns(largest, extent, inner, block, inner, to + index * inner)
          }
        }
      }
      withExtendedLifetime(storage) {}
    }
  }
}
