extension Tensor {
  /// Repeated along axes of extent 1, and along new leading axes, to a larger shape; copies.
  ///
  /// Arithmetic broadcasts without this copy.
  public func broadcast(to newShape: Shape) -> Tensor {
    shape == newShape ? self : strided(newShape, shape.broadcastStrides(to: newShape))
  }

  /// The whole tensor repeated: `counts[i]` times along axis i.
  ///
  /// - Shapes: self [a × b], `tiled(2, 3)` [2a × 3b]. More counts than axes add leading axes.
  public func tiled(_ counts: Int...) -> Tensor { tiled(counts) }

  /// The whole tensor repeated: `counts[i]` times along axis i; see the version with arguments.
  public func tiled(_ counts: [Int]) -> Tensor {
    expect(counts.count >= rank, "tile: \(counts) has fewer counts than \(shape) has axes")
    let leading = Array(repeating: 1, count: counts.count - rank)
    var result = reshaped(to: Shape(leading + shape.extents))
    for (axis, times) in counts.enumerated() where times != 1 {
      result = result.repeatingBlocks(times, from: axis, growing: axis)
    }
    return result
  }

  /// Every element `times` times in a row along an axis.
  ///
  /// - Shapes: self [a × b], `repeated(2, axis: 0)` [2a × b] with each row twice.
  public func repeated(_ times: Int, axis: Int) -> Tensor {
    let position = shape.position(of: axis, "repeat")
    return repeatingBlocks(times, from: position + 1, growing: position)
  }

  /// The blocks of the axes from `axis` on, each repeated; the axis `grown` takes them in.
  private func repeatingBlocks(_ times: Int, from axis: Int, growing grown: Int) -> Tensor {
    expect(times >= 0, "repeat: \(times) times is not possible, for \(shape)")
    let extents = shape.extents
    let (outer, inner) = (extents[..<axis].reduce(1, *), extents[axis...].reduce(1, *))
    return reshaped(to: [outer, 1, inner]).broadcast(to: [outer, times, inner])
      .reshaped(to: shape.replacing(axis: grown, with: extents[grown] * times))
  }
}

extension Shape {
  /// The distances of this dense shape's elements as `larger` walks over them: 0 where it repeats.
  package func broadcastStrides(to larger: Shape) -> Slots {
    let missing = larger.rank - rank
    var (result, strides) = (Slots.zero, strides)
    for axis in 0..<Swift.min(rank, larger.rank) {
      expect(
        missing >= 0 && (self[axis] == larger[axis + missing] || self[axis] == 1),
        "broadcast: \(self) does not fit \(larger)"
      )
      if self[axis] == 1 { strides[axis] = 0 }
      result[axis + missing] = strides[axis]
    }
    expect(missing >= 0, "broadcast: \(self) has more axes than \(larger)")
    return result
  }
}
