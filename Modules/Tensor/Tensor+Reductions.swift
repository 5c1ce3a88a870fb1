import CKernels

extension Tensor where Element == Float {
  /// The sum of all elements; partial sums in a fixed order, so always the same bits.
  public func sum() -> Float {
    withUnsafeElements { source in
      guard let from = source.baseAddress, !source.isEmpty else { return 0 }
      var total = 0.0
      for start in stride(from: 0, to: source.count, by: vectorGrain) {
        total += Double(ck_sum(min(vectorGrain, source.count - start), from + start))
      }
      return Float(total)
    }
  }

  /// The mean of all elements; NaN when there are none.
  public func mean() -> Float { sum() / Float(count) }

  /// The smallest and the largest element, NaN ignored; (+∞, −∞) when there are none.
  public func extrema() -> (minimum: Float, maximum: Float) {
    withUnsafeElements { source in
      var (minimum, maximum) = (Float.infinity, -Float.infinity)
      if let from = source.baseAddress { ck_min_max(source.count, from, &minimum, &maximum) }
      return (minimum, maximum)
    }
  }

  /// The index of the first largest element along the last axis.
  ///
  /// - Shapes: self [… × N] with N ≥ 1, result […].
  public func argmax() -> Tensor<Int32> {
    let width = lastExtent("argmax")
    expect(width > 0, "argmax: the last axis of \(shape) is empty")
    return withUnsafeElements { source in
      Tensor<Int32>(uninitialized: Shape(shape.extents.dropLast())) { target in
        guard let from = source.baseAddress else { return }
        for row in target.indices {
          target[row] = Int32(ck_argmax(width, from + row * width))
        }
      }
    }
  }

  /// log Σ exp along the last axis, with the maximum subtracted.
  ///
  /// - Shapes: self [… × N], result […].
  public func logSumExp() -> Tensor {
    let width = lastExtent("logSumExp")
    return withUnsafeElements { source in
      Tensor(uninitialized: Shape(shape.extents.dropLast())) { target in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        let rows = target.count
        WorkPool.forEachRange(count: rows, grain: rowGrain(width: width)) { range in
          for row in range { to[row] = ck_log_sum_exp(width, from + row * width) }
        }
      }
    }
  }

  func lastExtent(_ operation: String) -> Int {
    expect(rank > 0, "\(operation): a scalar has no last axis")
    return shape[-1]
  }
}

/// The rows of `width` elements that one part of a parallel row operation handles.
func rowGrain(width: Int) -> Int { max(1, vectorGrain / max(width, 1)) }
