public import Tensor

extension Variable {
  /// Joins variables along an axis; the other extents must agree.
  public static func concatenating(_ parts: [Variable], axis: Int = 0) -> Variable {
    let result = Tensor.concatenating(parts.map(\.value), axis: axis)
    let sizes = parts.map { $0.shape[axis] }
    return recorded(result, inputs: parts) { gradient, inputs in
      var start = 0
      for (index, size) in sizes.enumerated() {
        inputs.pass(to: index, gradient.sliced(start..<start + size, axis: axis))
        start += size
      }
    }
  }

  /// Joins variables of one shape along a new axis.
  public static func stacking(_ parts: [Variable], axis: Int = 0) -> Variable {
    concatenating(parts.map { $0.expandingDimensions(at: axis) }, axis: axis)
  }

  /// Parts of the given extents along an axis; they must add up to the axis.
  public func split(sizes: [Int], axis: Int = 0) -> [Variable] {
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
  public func split(count: Int, axis: Int = 0) -> [Variable] {
    split(sizes: shape.equalParts(count, axis: axis), axis: axis)
  }

  /// The elements of a range along any axis.
  public func sliced(_ range: Range<Int>, axis: Int) -> Variable {
    var selections = Array(repeating: AxisSelection.all, count: shape.rank)
    selections[shape.position(of: axis, "slice")] = range.selection
    return selected(SelectedPlaces(selections, in: shape))
  }

  /// The selected elements along the leading axis.
  public subscript(selection: any TensorIndex) -> Variable {
    selected(SelectedPlaces([selection], in: shape))
  }

  /// The selected elements along the leading axes: the other axes are taken whole.
  public subscript(
    first: any TensorIndex,
    second: any TensorIndex,
    others: any TensorIndex...
  ) -> Variable {
    selected(SelectedPlaces([first, second] + others, in: shape))
  }

  /// The elements at `places`; the gradient is added to their places without a temporary.
  func selected(_ places: SelectedPlaces) -> Variable {
    let shape = shape
    return Self.recorded(value.selected(places), self) { gradient, inputs in
      inputs.update(0) { target in
        if target == nil { target = .zeros(shape) }
        target?.add(gradient, at: places)
      }
    }
  }
}
