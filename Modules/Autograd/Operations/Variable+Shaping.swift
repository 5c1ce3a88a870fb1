public import Tensor

// A negative axis counts from the end.

extension Variable {
  /// The same elements under another shape of the same count; shares memory.
  public func reshaped(to newShape: Shape) -> Variable {
    let shape = shape
    return Self.recorded(value.reshaped(to: newShape), self) { gradient, inputs in
      inputs.pass(to: 0, gradient.reshaped(to: shape))
    }
  }

  /// The axes `first` through `last` as one; shares memory.
  public func flattened(from first: Int = 0, through last: Int = -1) -> Variable {
    reshaped(to: value.flattened(from: first, through: last).shape)
  }

  /// Without an axis of extent 1; shares memory.
  public func squeezed(axis: Int) -> Variable { reshaped(to: value.squeezed(axis: axis).shape) }

  /// Without any axis of extent 1; shares memory.
  public func squeezed() -> Variable { reshaped(to: value.squeezed().shape) }

  /// With a new axis of extent 1 at `axis` of the result, so -1 makes it the last; shares memory.
  public func expandingDimensions(at axis: Int) -> Variable {
    reshaped(to: value.expandingDimensions(at: axis).shape)
  }

  /// The axes in another order: axis i of the result is axis `axes[i]` of this.
  public func permuted(_ axes: Int...) -> Variable { permuted(axes) }

  /// The axes in another order: axis i of the result is axis `axes[i]` of this.
  public func permuted(_ axes: [Int]) -> Variable {
    let shape = shape
    return Self.recorded(value.permuted(axes), self) { gradient, inputs in
      var inverse = axes
      for (place, axis) in shape.order(axes).enumerated() { inverse[axis] = place }
      inputs.pass(to: 0, gradient.permuted(inverse))
    }
  }

  /// The last two axes exchanged.
  ///
  /// - Shapes: self [… × m × n], result [… × n × m].
  public func transposed() -> Variable { transposed(-2, -1) }

  /// Two axes exchanged.
  public func transposed(_ first: Int, _ second: Int) -> Variable {
    Self.recorded(value.transposed(first, second), self) { gradient, inputs in
      inputs.pass(to: 0, gradient.transposed(first, second))
    }
  }

  /// Repeated along axes of extent 1, and along new leading axes, to a larger shape.
  public func broadcast(to newShape: Shape) -> Variable {
    Self.recorded(value.broadcast(to: newShape), self) { gradient, inputs in
      inputs.passSummed(to: 0, gradient)
    }
  }

  /// The whole repeated: `counts[i]` times along axis i; more counts than axes add leading axes.
  public func tiled(_ counts: Int...) -> Variable {
    expect(counts.count >= shape.rank, "tile: \(counts) has fewer counts than \(shape) has axes")
    let leading = Array(repeating: 1, count: counts.count - shape.rank)
    var result = reshaped(to: Shape(leading + shape.extents))
    for (axis, times) in counts.enumerated() where times != 1 {
      result = result.repeatingBlocks(times, from: axis, growing: axis)
    }
    return result
  }

  /// Every element `times` times in a row along an axis.
  public func repeated(_ times: Int, axis: Int) -> Variable {
    let position = shape.position(of: axis, "repeat")
    return repeatingBlocks(times, from: position + 1, growing: position)
  }

  private func repeatingBlocks(_ times: Int, from axis: Int, growing grown: Int) -> Variable {
    let extents = shape.extents
    let (outer, inner) = (extents[..<axis].reduce(1, *), extents[axis...].reduce(1, *))
    return reshaped(to: [outer, 1, inner]).broadcast(to: [outer, times, inner])
      .reshaped(to: shape.replacing(axis: grown, with: extents[grown] * times))
  }

  /// The elements in the opposite order along `axes`.
  public func flipped(_ axes: Int...) -> Variable {
    var selections = Array(repeating: AxisSelection.all, count: shape.rank)
    for axis in axes { selections[shape.position(of: axis, "flip")] = .reversed }
    return selected(SelectedPlaces(selections, in: shape))
  }

  /// The elements moved on by `shift` places along an axis; the last come round to the front.
  public func rolled(by shift: Int, axis: Int) -> Variable {
    Self.recorded(value.rolled(by: shift, axis: axis), self) { gradient, inputs in
      inputs.pass(to: 0, gradient.rolled(by: -shift, axis: axis))
    }
  }

  /// A border around: `widths[i].before` and `.after` elements along axis i.
  ///
  /// Reflection needs fewer elements than the axis has, a circular border at most as many.
  public func padded(
    _ widths: [(before: Int, after: Int)],
    mode: PaddingMode<Float> = .constant(0)
  ) -> Variable {
    guard case .constant = mode else {
      expect(widths.count == shape.rank, "pad: \(widths.count) pairs for \(shape)")
      var result = self
      for (axis, width) in widths.enumerated() where width != (0, 0) {
        let places = shape.paddedPlaces(axis: axis, width, mode)
        result = result.taking(Tensor<Int32>(places), axis: axis)
      }
      return result
    }
    let extents = shape.extents
    return Self.recorded(value.padded(widths, mode: mode), self) { gradient, inputs in
      let inside = zip(widths, extents).map { $0.before..<$0.before + $1 }
      inputs.pass(to: 0, gradient.selected(SelectedPlaces(inside, in: gradient.shape)))
    }
  }
}
