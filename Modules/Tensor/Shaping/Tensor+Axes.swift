// A negative axis counts from the end.

extension Tensor {
  /// The same elements under another shape of the same count; shares memory.
  public func reshaped(to newShape: Shape) -> Tensor {
    expect(
      newShape.count == count,
      "reshape: \(shape) holds \(count) elements, \(newShape) holds \(newShape.count)"
    )
    return Tensor(shape: newShape, storage: storage, offset: offset)
  }

  /// The axes `first` through `last` as one; shares memory.
  ///
  /// - Shapes: self [a × b × c × d], `flattened(from: 1, through: 2)` [a × (b·c) × d].
  public func flattened(from first: Int = 0, through last: Int = -1) -> Tensor {
    if rank == 0 { return reshaped(to: [1]) }
    return reshaped(to: shape.flattening(from: first, through: last))
  }

  /// Without an axis of extent 1; shares memory.
  public func squeezed(axis: Int) -> Tensor {
    let position = shape.position(of: axis, "squeeze")
    expect(shape[position] == 1, "squeeze: axis \(axis) of \(shape) has more than one element")
    return reshaped(to: shape.removing(axis: position))
  }

  /// Without any axis of extent 1; shares memory.
  public func squeezed() -> Tensor { reshaped(to: Shape(shape.extents.filter { $0 != 1 })) }

  /// With a new axis of extent 1 at `axis` of the result, so -1 makes it the last; shares memory.
  public func expandingDimensions(at axis: Int) -> Tensor {
    let position = axis < 0 ? axis + rank + 1 : axis
    expect(position >= 0 && position <= rank, "expandingDimensions: axis \(axis) for \(shape)")
    return reshaped(to: shape.inserting(1, at: position))
  }

  /// The axes in another order: axis i of the result is axis `axes[i]` of this; copies.
  public func permuted(_ axes: Int...) -> Tensor { permuted(axes) }

  /// The axes in another order: axis i of the result is axis `axes[i]` of this; copies.
  public func permuted(_ axes: [Int]) -> Tensor {
    let order = shape.order(axes)
    let (slots, strides) = (shape.slots, shape.strides)
    var (extents, distances) = (Shape.Slots(repeating: 1), Shape.Slots.zero)
    for (place, axis) in order.enumerated() {
      extents[place] = slots[axis]
      distances[place] = strides[axis]
    }
    return strided(Shape(rank: rank, slots: extents), distances)
  }

  /// The last two axes exchanged: the transposes of a batch of matrices; copies.
  ///
  /// - Shapes: self [… × m × n], result [… × n × m].
  public func transposed() -> Tensor {
    expect(rank >= 2, "transpose: a matrix is needed, found \(shape)")
    return transposed(-2, -1)
  }

  /// Two axes exchanged; copies.
  public func transposed(_ first: Int, _ second: Int) -> Tensor {
    var axes = Array(0..<rank)
    axes.swapAt(shape.position(of: first, "transpose"), shape.position(of: second, "transpose"))
    return permuted(axes)
  }

  /// The elements in the opposite order along `axes`; copies.
  public func flipped(_ axes: Int...) -> Tensor { flipped(axes) }

  /// The elements in the opposite order along `axes`; copies.
  public func flipped(_ axes: [Int]) -> Tensor {
    var (strides, first) = (shape.strides, 0)
    for axis in Set(axes.map { shape.position(of: $0, "flip") }) {
      first += (shape[axis] - 1) * strides[axis]
      strides[axis] = -strides[axis]
    }
    return count == 0 ? self : strided(shape, strides, from: first)
  }

  /// The elements moved on by `shift` places along an axis; the last ones come round to the front.
  public func rolled(by shift: Int, axis: Int) -> Tensor {
    let position = shape.position(of: axis, "roll")
    let extent = shape[position]
    guard extent > 0 else { return self }
    let start = ((shift % extent) + extent) % extent
    if start == 0 { return self }
    let parts = split(sizes: [extent - start, start], axis: position)
    return Tensor.concatenating([parts[1], parts[0]], axis: position)
  }
}

extension Shape {
  /// This shape with the axes `first` through `last` as one.
  package func flattening(from first: Int, through last: Int) -> Shape {
    let (start, end) = (position(of: first, "flatten"), position(of: last, "flatten"))
    expect(start <= end, "flatten: axes \(first) through \(last) of \(self)")
    let extents = extents
    return Shape(extents[..<start] + [extents[start...end].reduce(1, *)] + extents[(end + 1)...])
  }

  /// The positions of `axes`, which must name every axis once.
  package func order(_ axes: [Int]) -> [Int] {
    let order = axes.map { position(of: $0, "permute") }
    expect(
      order.count == rank && Set(order).count == rank,
      "permute: \(axes) does not name every axis of \(self) once"
    )
    return order
  }
}
