extension Tensor {
  /// Joins tensors along an axis; the other extents must agree.
  public static func concatenating(_ parts: [Tensor], axis: Int = 0) -> Tensor {
    guard let first = parts.first else { fatalError("concatenate: nothing to join") }
    expect(first.rank > 0, "concatenate: scalars have no axis to join along")
    let axis = first.shape.position(of: axis, "concatenate")
    var extent = 0
    for part in parts {
      expect(
        part.rank == first.rank
          && part.shape.replacing(axis: axis, with: 0)
            == first.shape.replacing(axis: axis, with: 0),
        "concatenate: extents differ beside axis \(axis), \(first.shape) · \(part.shape)"
      )
      extent += part.shape[axis]
    }
    let joined = first.shape.replacing(axis: axis, with: extent)
    let strides = joined.strides
    return Tensor(uninitialized: joined) { target in
      guard var to = target.baseAddress else { return }
      for part in parts {
        part.withUnsafeElements { source in
          guard let from = source.baseAddress else { return }
          StridedCopy(part.shape, source: part.shape.strides, target: strides)
            .copy(from: from, to: to, size: MemoryLayout<Element>.size)
        }
        to += part.shape[axis] * strides[axis]
      }
    }
  }

  /// Joins tensors of one shape along a new axis.
  ///
  /// - Shapes: n parts [a × b], `axis: 0` [n × a × b], `axis: -1` [a × b × n].
  public static func stacking(_ parts: [Tensor], axis: Int = 0) -> Tensor {
    concatenating(parts.map { $0.expandingDimensions(at: axis) }, axis: axis)
  }

  /// Parts of the given extents along an axis; they must add up to the axis.
  ///
  /// Parts along the leading axis share memory.
  public func split(sizes: [Int], axis: Int = 0) -> [Tensor] {
    let position = shape.position(of: axis, "split")
    expect(
      sizes.allSatisfy { $0 >= 0 } && sizes.reduce(0, +) == shape[position],
      "split: parts of \(sizes) along axis \(axis) of \(shape)"
    )
    var start = 0
    return sizes.map { size in
      defer { start += size }
      return sliced(start..<start + size, axis: position)
    }
  }

  /// Equal parts along an axis; their number must divide its extent.
  public func split(count: Int, axis: Int = 0) -> [Tensor] {
    split(sizes: shape.equalParts(count, axis: axis), axis: axis)
  }

  /// The elements of a range along any axis; shares memory along the leading one.
  public func sliced(_ range: Range<Int>, axis: Int) -> Tensor {
    let position = shape.position(of: axis, "slice")
    if position == 0 { return self[range] }
    expect(
      range.lowerBound >= 0 && range.upperBound <= shape[position],
      "slice: range \(range) along axis \(axis) of \(shape)"
    )
    let result = shape.replacing(axis: position, with: range.count)
    return strided(result, shape.strides, from: range.lowerBound * shape.strides[position])
  }
}

extension Shape {
  /// The sizes of `count` equal parts of an axis.
  package func equalParts(_ count: Int, axis: Int) -> [Int] {
    let extent = self[position(of: axis, "split")]
    expect(
      count > 0 && extent % count == 0,
      "split: \(count) equal parts of axis \(axis) of \(self)"
    )
    return Array(repeating: extent / count, count: count)
  }
}
