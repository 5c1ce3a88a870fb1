// Equal elements keep their order; a NaN is greater than every number. Negative axes count from
// the end.

extension Tensor where Element: TensorNumber {
  /// The elements in order along an axis.
  public func sorted(axis: Int = -1, descending: Bool = false) -> Tensor {
    gathered(argSorted(axis: axis, descending: descending), axis: axis)
  }

  /// The indices that put an axis in order; equal elements keep their order.
  ///
  /// - Shapes: as self.
  public func argSorted(axis: Int = -1, descending: Bool = false) -> Tensor<Int32> {
    let extent = shape[shape.position(of: axis, "sort")]
    return ranked(extent, axis, descending: descending, "sort")
  }

  /// The `count` largest elements along an axis, largest first, and their indices.
  ///
  /// With `largest: false` the smallest, smallest first. The first of equal elements comes first.
  ///
  /// - Shapes: self [a × N × b], both results [a × count × b] for axis 1.
  public func topK(
    _ count: Int,
    axis: Int = -1,
    largest: Bool = true
  ) -> (values: Tensor, indices: Tensor<Int32>) {
    let indices = ranked(count, axis, descending: largest, "topK")
    return (gathered(indices, axis: axis), indices)
  }

  /// The indices of the first `count` elements in order.
  private func ranked(
    _ count: Int,
    _ axis: Int,
    descending: Bool,
    _ operation: String
  ) -> Tensor<Int32> {
    let position = shape.position(of: axis, operation)
    let extent = shape[position]
    expect(
      count >= 0 && count <= extent,
      "\(operation): \(count) elements along axis \(axis) of \(shape)"
    )
    expect(extent <= Int32.max, "\(operation): too many elements along axis \(axis) of \(shape)")
    if position != rank - 1 {
      return transposed(position, -1).ranked(count, -1, descending: descending, operation)
        .transposed(position, -1)
    }
    let rowCount = extent == 0 ? 0 : self.count / extent
    return withUnsafeElements { elements in
      Tensor<Int32>(uninitialized: shape.replacingLast(with: count)) { target in
        let grain = Swift.max(1, vectorGrain / Swift.max(extent, 1))
        WorkPool.forEachRange(count: rowCount, grain: grain) { rows in
          withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 2 * extent) { space in
            let keys = UnsafeMutableBufferPointer(rebasing: space[..<extent])
            let scratch = UnsafeMutableBufferPointer(rebasing: space[extent...])
            for row in rows {
              let line = UnsafeBufferPointer(rebasing: elements[row * extent..<(row + 1) * extent])
              putInOrder(line, count, descending, keys, scratch)
              for place in 0..<count {
                target[row * count + place] = Int32(truncatingIfNeeded: keys[place])
              }
            }
          }
        }
      }
    }
  }
}

/// Puts the places of the first `count` elements in order into the lower halves of `keys`.
private func putInOrder<Element: TensorNumber>(
  _ line: UnsafeBufferPointer<Element>,
  _ count: Int,
  _ descending: Bool,
  _ keys: UnsafeMutableBufferPointer<UInt64>,
  _ scratch: UnsafeMutableBufferPointer<UInt64>
) {
  switch Element.elementType {
  case .float32:
    line.withMemoryRebound(to: Float.self) { line in
      for place in line.indices {
        let key = SortKeys.key(line[place])
        keys[place] = SortKeys.packed(key, at: place, descending: descending)
      }
    }
    SortKeys.select(count, keys, scratch: scratch)
  case .int32:
    line.withMemoryRebound(to: Int32.self) { line in
      for place in line.indices {
        let key = SortKeys.key(line[place])
        keys[place] = SortKeys.packed(key, at: place, descending: descending)
      }
    }
    SortKeys.select(count, keys, scratch: scratch)
  default:
    // Eight bytes do not fit beside a place.
    func precedes(_ a: Element, _ b: Element) -> Bool { a < b || (b != b && a == a) }
    for place in line.indices { keys[place] = UInt64(place) }
    var keys = keys
    keys.sort { a, b in
      let (x, y) = (line[Int(a)], line[Int(b)])
      if descending ? precedes(y, x) : precedes(x, y) { return true }
      if descending ? precedes(x, y) : precedes(y, x) { return false }
      return a < b
    }
  }
}
