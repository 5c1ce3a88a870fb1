/// What stands outside of a tensor that is padded.
public enum PaddingMode<Element: TensorElement>: Sendable, Equatable {
  /// One value everywhere.
  case constant(Element)
  /// The elements mirrored at the border, which is not repeated: c b | a b c | b a.
  case reflect
  /// The border's element: a a | a b c | c c.
  case replicate
  /// The elements from the other end: b c | a b c | a b.
  case circular
}

extension Tensor {
  /// The tensor with a border: `widths[i].before` and `.after` elements along axis i.
  ///
  /// Reflection needs fewer elements than the axis has, a circular border at most as many.
  ///
  ///     x.padded([(0, 0), (2, 2)])                  // zeros around the columns
  ///     x.padded([(1, 1), (1, 1)], mode: .reflect)
  public func padded(
    _ widths: [(before: Int, after: Int)],
    mode: PaddingMode<Element> = .constant(.zero)
  ) -> Tensor {
    expect(widths.count == rank, "pad: \(widths.count) pairs for \(shape)")
    expect(
      widths.allSatisfy { $0.before >= 0 && $0.after >= 0 },
      "pad: a negative width in \(widths)"
    )
    guard case .constant(let value) = mode else {
      var result = self
      for (axis, width) in widths.enumerated() where width != (0, 0) {
        let places = shape.paddedPlaces(axis: axis, width, mode)
        result = result.taking(Tensor<Int32>(places), axis: axis)
      }
      return result
    }
    let outside = Shape(zip(shape.extents, widths).map { $0 + $1.before + $1.after })
    var result = Tensor(repeating: value, shape: outside)
    let strides = outside.strides
    let first = widths.indices.reduce(0) { $0 + widths[$1].before * strides[$1] }
    result.assign(self, shape, strides, from: first)
    return result
  }

  /// Writes `source`, which broadcasts to `selected`, to places at the given distances.
  mutating func assign(
    _ source: Tensor,
    _ selected: Shape,
    _ strides: Shape.Slots,
    from first: Int
  ) {
    let sourceStrides = source.shape.broadcastStrides(to: selected)
    withUnsafeMutableElements { target in
      source.withUnsafeElements { elements in
        guard let from = elements.baseAddress, let to = target.baseAddress else { return }
        StridedCopy(selected, source: sourceStrides, target: strides)
          .copy(from: from, to: to + first, size: MemoryLayout<Element>.size)
      }
    }
  }
}

extension Shape {
  /// Which element of an axis stands at each place of the padded axis.
  package func paddedPlaces<Element>(
    axis: Int,
    _ width: (before: Int, after: Int),
    _ mode: PaddingMode<Element>
  ) -> [Int32] {
    let extent = self[axis]
    let most = mode == .reflect ? extent - 1 : mode == .circular ? extent : Int.max
    expect(
      extent > 0 && max(width.before, width.after) <= most,
      "pad: \(width) elements in mode \(mode) along axis \(axis) of \(self)"
    )
    return (-width.before..<extent + width.after).map { place in
      switch mode {
      case .circular: Int32((place + extent) % extent)
      case .reflect:
        Int32(place < 0 ? -place : place < extent ? place : 2 * (extent - 1) - place)
      default: Int32(min(max(place, 0), extent - 1))
      }
    }
  }
}
