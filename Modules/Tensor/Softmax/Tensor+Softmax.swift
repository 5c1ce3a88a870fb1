import CKernels

extension Tensor where Element == Float {
  /// exp(scale · x) / Σ exp(scale · x) along an axis.
  ///
  /// The largest element is subtracted first, so large ones do no harm. NaN, or nothing but −∞,
  /// makes the whole slice NaN.
  public func softmax(axis: Int = -1, scale: Float = 1) -> Tensor {
    softmax(isLogarithm: false, axis, scale)
  }

  /// scale · x − log Σ exp(scale · x) along an axis: the logarithm of `softmax`, without its loss
  /// of small probabilities.
  public func logSoftmax(axis: Int = -1, scale: Float = 1) -> Tensor {
    softmax(isLogarithm: true, axis, scale)
  }

  private func softmax(isLogarithm: Bool, _ axis: Int, _ scale: Float) -> Tensor {
    let axis = softmaxAxis(axis)
    guard axis == rank - 1 else {
      return alongLast(axis) { $0.softmax(isLogarithm: isLogarithm, -1, scale) }
    }
    let width = shape[-1]
    return Tensor(uninitialized: shape) { target in
      guard let to = target.baseAddress, target.count > 0 else { return }
      forEachRange(count: count / width, grain: rowGrain(width: width)) { rows in
        let first = rows.lowerBound * width
        ck_softmax_rows(isLogarithm, rows.count, width, start + first, scale, to + first)
      }
      withExtendedLifetime(storage) {}
    }
  }

  /// The gradient of x from that of `self.softmax(axis:scale:)`, which takes the memory of the
  /// latter; `y` is the result, or its logarithm for `logSoftmax`.
  package static func softmaxGradient(
    _ y: Tensor,
    isLogarithm: Bool,
    axis: Int,
    scale: Float,
    replacing gradient: inout Tensor
  ) {
    let axis = y.softmaxAxis(axis)
    guard axis == y.rank - 1 else {
      let moved = y.movingToLast(axis)
      var movedGradient = gradient.movingToLast(axis)
      softmaxGradient(
        moved,
        isLogarithm: isLogarithm,
        axis: -1,
        scale: scale,
        replacing: &movedGradient
      )
      gradient = movedGradient.movingLast(to: axis, of: y.shape)
      return
    }
    let width = y.shape[-1]
    gradient.rewrite { gradient, to in
      forEachRange(count: y.count / width, grain: rowGrain(width: width)) { rows in
        let first = rows.lowerBound * width
        let (g, out) = (gradient + first, to + first)
        ck_softmax_gradient_rows(isLogarithm, rows.count, width, y.start + first, scale, g, out)
      }
    }
    withExtendedLifetime(y.storage) {}
  }

  private func softmaxAxis(_ axis: Int) -> Int {
    expect(rank > 0, "softmax: a scalar has no last axis")
    return shape.position(of: axis, "softmax")
  }

  // MARK: - Other axes than the last

  private func alongLast(_ axis: Int, _ body: (Tensor) -> Tensor) -> Tensor {
    body(movingToLast(axis)).movingLast(to: axis, of: shape)
  }

  /// [outer × n × inner] as [outer × inner × n], where n is the extent of `axis`.
  private func movingToLast(_ axis: Int) -> Tensor {
    let inner = shape.extents[(axis + 1)...].reduce(1, *)
    return exchangingInner(shape[axis], inner)
  }

  /// The way back from `movingToLast`.
  private func movingLast(to axis: Int, of shape: Shape) -> Tensor {
    let inner = shape.extents[(axis + 1)...].reduce(1, *)
    return exchangingInner(inner, shape[axis]).reshaped(to: shape)
  }

  /// Transposes each of the matrices [rows × columns] that the elements are.
  private func exchangingInner(_ rows: Int, _ columns: Int) -> Tensor {
    let size = rows * columns
    let outer = size > 0 ? count / size : 0
    return Tensor(uninitialized: [outer, columns, rows]) { target in
      guard let to = target.baseAddress, size > 0 else { return }
      forEachRange(count: outer, grain: Swift.max(1, vectorGrain / size)) { range in
        for index in range {
          let from = UnsafeRawPointer(start + index * size).assumingMemoryBound(to: UInt32.self)
          let out = UnsafeMutableRawPointer(to + index * size).assumingMemoryBound(to: UInt32.self)
          ck_transpose(rows, columns, from, columns, out, rows)
        }
      }
      withExtendedLifetime(storage) {}
    }
  }
}
