import Tensor

extension Tensor where Element == Float {
  /// The gradient of a tensor of `target`'s shape that was broadcast to this shape: the sum over
  /// what was repeated.
  ///
  /// - Shapes: `target` broadcasts to self.
  func summed(to target: Shape) -> Tensor {
    let missing = rank - target.rank
    var result = self
    for axis in (0..<rank).reversed() {
      let extent = axis < missing ? 1 : target[axis - missing]
      if extent == 1 && shape[axis] != 1 { result = result.summed(axis: axis) }
    }
    return result.reshaped(to: target)
  }

  /// The sum over one axis, which stays with extent 1, in the order of the axis.
  private func summed(axis: Int) -> Tensor {
    let extents = shape.extents
    let inner = extents[(axis + 1)...].reduce(1, *)
    let outer = extents[..<axis].reduce(1, *)
    var kept = extents
    kept[axis] = 1
    var result = Tensor.zeros(Shape(kept))
    result.withUnsafeMutableElements { target in
      withUnsafeElements { source in
        for row in 0..<outer {
          for step in 0..<extents[axis] {
            let from = (row * extents[axis] + step) * inner
            for index in 0..<inner { target[row * inner + index] += source[from + index] }
          }
        }
      }
    }
    return result
  }
}
