// x[2]               one element along the leading axis, or a row
// x[1..<3]           rows
// x[.all, 0]         a column
// x[1..., .every(2)] rows from the second on, every other column
// x[.rest, -1]       the last element along the last axis, whatever the rank
// x[.all, .newAxis]  an axis of extent 1 in between
// x[.all, 0] = y     assignment, which broadcasts y

extension Tensor {
  /// One element along the leading axis; shares memory, and can be assigned.
  ///
  /// A negative `index` counts from the end.
  public subscript(index: Int) -> Tensor {
    get {
      expect(rank > 0, "subscript: a scalar has no axis to index")
      let position = index < 0 ? index + shape[0] : index
      expect(
        position >= 0 && position < shape[0],
        "subscript: index \(index) of \(shape)"
      )
      let rest = shape.droppingFirst
      return Tensor(shape: rest, storage: storage, offset: offset + position * rest.count)
    }
    set { assign(newValue, SelectedPlaces([index], in: shape)) }
  }

  /// The elements `range` along the leading axis; shares memory, and can be assigned.
  public subscript(range: Range<Int>) -> Tensor {
    get {
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
    set { assign(newValue, SelectedPlaces([range], in: shape)) }
  }

  /// The selected elements along the leading axis; can be assigned.
  public subscript(selection: AxisSelection) -> Tensor {
    get { selected(SelectedPlaces([selection], in: shape)) }
    set { assign(newValue, SelectedPlaces([selection], in: shape)) }
  }

  // One for each kind of range: a generic subscript would also win over that of `Range` where the
  // bounds are literals.

  /// The elements of a range along the leading axis; shares memory, and can be assigned.
  public subscript(range: ClosedRange<Int>) -> Tensor {
    get { self[range.selection] }
    set { self[range.selection] = newValue }
  }

  /// The elements from a place on, which counts from the end below 0; can be assigned.
  public subscript(range: PartialRangeFrom<Int>) -> Tensor {
    get { self[range.selection] }
    set { self[range.selection] = newValue }
  }

  /// The elements before a place, which counts from the end below 0; can be assigned.
  public subscript(range: PartialRangeUpTo<Int>) -> Tensor {
    get { self[range.selection] }
    set { self[range.selection] = newValue }
  }

  /// The elements up to and with a place, which counts from the end below 0; can be assigned.
  public subscript(range: PartialRangeThrough<Int>) -> Tensor {
    get { self[range.selection] }
    set { self[range.selection] = newValue }
  }

  /// The selected elements along the leading axes: the other axes are taken whole.
  ///
  /// Shares memory where the elements are one run. An assigned tensor broadcasts.
  public subscript(
    first: any TensorIndex,
    second: any TensorIndex,
    others: any TensorIndex...
  ) -> Tensor {
    get { selected(SelectedPlaces([first, second] + others, in: shape)) }
    set { assign(newValue, SelectedPlaces([first, second] + others, in: shape)) }
  }

  /// The elements at `places`.
  package func selected(_ places: SelectedPlaces) -> Tensor {
    if places.isDense && places.shape.count > 0 {
      return Tensor(shape: places.shape, storage: storage, offset: offset + places.first)
    }
    return strided(places.shape, places.strides, from: places.shape.count == 0 ? 0 : places.first)
  }

  /// Replaces the elements at `places` by those of `source`, which broadcasts.
  package mutating func assign(_ source: Tensor, _ places: SelectedPlaces) {
    guard places.shape.count > 0 else {
      _ = source.shape.broadcastStrides(to: places.shape)
      return
    }
    assign(source, places.shape, places.strides, from: places.first)
  }
}

extension Tensor where Element == Float {
  /// Adds `source` to the elements at `places`: the gradient of a selection.
  package mutating func add(_ source: Tensor, at places: SelectedPlaces) {
    expect(
      source.shape == places.shape,
      "add: \(source.shape) does not fit the selected \(places.shape)"
    )
    guard source.count > 0 else { return }
    withUnsafeMutableElements { target in
      source.withUnsafeElements { elements in
        guard let from = elements.baseAddress, let to = target.baseAddress else { return }
        StridedCopy(places.shape, source: places.shape.strides, target: places.strides)
          .add(from: from, to: to + places.first)
      }
    }
  }
}
