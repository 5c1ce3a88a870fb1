extension Tensor {
  /// One element along the leading axis; shares memory.
  ///
  /// A negative `index` counts from the end.
  public subscript(index: Int) -> Tensor {
    expect(rank > 0, "subscript: a scalar has no axis to index")
    let position = index < 0 ? index + shape[0] : index
    expect(
      position >= 0 && position < shape[0],
      "subscript: index \(index) of \(shape)"
    )
    let rest = shape.droppingFirst
    return Tensor(shape: rest, storage: storage, offset: offset + position * rest.count)
  }

  /// The elements `range` along the leading axis; shares memory.
  public subscript(range: Range<Int>) -> Tensor {
    expect(rank > 0, "subscript: a scalar has no axis to slice")
    expect(
      range.lowerBound >= 0 && range.upperBound <= shape[0],
      "subscript: range \(range) of \(shape)"
    )
    let rest = shape.droppingFirst
    return Tensor(
      shape: shape.replacingFirst(with: range.count),
      storage: storage,
      offset: offset + range.lowerBound * rest.count
    )
  }

  /// The same elements under another shape of the same count; shares memory.
  public func reshaped(to newShape: Shape) -> Tensor {
    expect(
      newShape.count == count,
      "reshape: \(shape) holds \(count) elements, \(newShape) holds \(newShape.count)"
    )
    return Tensor(shape: newShape, storage: storage, offset: offset)
  }

  /// A copy of the matrix with rows and columns exchanged; rank 2 only.
  public func transposed() -> Tensor {
    expect(rank == 2, "transpose: a matrix is needed, found \(shape)")
    let (rows, columns) = (shape[0], shape[1])
    return withUnsafeElements { source in
      Tensor(uninitialized: [columns, rows]) { target in
        // Square blocks keep both sides in cache.
        let block = 32
        for rowStart in stride(from: 0, to: rows, by: block) {
          for columnStart in stride(from: 0, to: columns, by: block) {
            for row in rowStart..<Swift.min(rowStart + block, rows) {
              for column in columnStart..<Swift.min(columnStart + block, columns) {
                target[column * rows + row] = source[row * columns + column]
              }
            }
          }
        }
      }
    }
  }

  /// The rows `indices` of this tensor, one after another; repeats are allowed.
  ///
  /// - Shapes: self [N × …], result [indices.count × …].
  public func rows(_ indices: some Collection<Int32>) -> Tensor {
    expect(rank > 0, "rows: a scalar has no rows")
    let rest = shape.droppingFirst.count
    let extent = shape[0]
    return withUnsafeElements { source in
      Tensor(uninitialized: shape.replacingFirst(with: indices.count)) { target in
        guard let to = target.baseAddress, let from = source.baseAddress else { return }
        for (position, index) in indices.enumerated() {
          expect(index >= 0 && index < extent, "rows: index \(index) of \(shape)")
          (to + position * rest).update(from: from + Int(index) * rest, count: rest)
        }
      }
    }
  }

  /// Joins tensors along the leading axis; the other extents must agree.
  public static func concatenating(_ parts: [Tensor]) -> Tensor {
    guard let first = parts.first else { fatalError("concatenate: nothing to join") }
    expect(first.rank > 0, "concatenate: scalars have no axis to join along")
    for part in parts {
      expect(
        part.rank == first.rank && part.shape.droppingFirst == first.shape.droppingFirst,
        "concatenate: trailing extents differ, \(first.shape) · \(part.shape)"
      )
    }
    let extent = parts.reduce(0) { $0 + $1.shape[0] }
    return Tensor(uninitialized: first.shape.replacingFirst(with: extent)) { target in
      guard var to = target.baseAddress else { return }
      for part in parts {
        part.withUnsafeElements { source in
          guard let from = source.baseAddress else { return }
          to.update(from: from, count: source.count)
        }
        to += part.count
      }
    }
  }
}
