import CKernels

extension Tensor where Element: TensorReal {
  /// The mean of all elements; NaN when there are none.
  public func mean() -> Element { sum() / Element(count) }

  /// The means over `axes`, NaN over empty ones; shapes as in `sum`.
  public func mean(axes: Int..., keepingDimensions: Bool = false) -> Tensor {
    mean(axes: axes, keepingDimensions: keepingDimensions)
  }

  /// The means over `axes`; see the version with a list of arguments.
  public func mean(axes: [Int], keepingDimensions: Bool = false) -> Tensor {
    let joined = ReductionPlan(shape, axes, keepingDimensions: false, "mean").joined
    return sum(axes: axes, keepingDimensions: keepingDimensions) / Element(joined)
  }

  /// The variance of all elements: Σ (x − mean)² / (count − correction), by two passes.
  ///
  /// A `correction` of 0 gives the population's variance, 1 the unbiased estimate.
  public func variance(correction: Int = 0) -> Element {
    variance(axes: [], correction: correction).item
  }

  /// The variances over `axes`: Σ (x − mean)² / (count − correction), by two passes.
  ///
  /// A `correction` of 0 gives the population's variance, 1 the unbiased estimate. Shapes as in
  /// `sum`; infinite or NaN where the count is at most the correction.
  public func variance(
    axes: Int...,
    correction: Int = 0,
    keepingDimensions: Bool = false
  ) -> Tensor {
    variance(axes: axes, correction: correction, keepingDimensions: keepingDimensions)
  }

  /// The variances over `axes`; see the version with a list of arguments.
  public func variance(
    axes: [Int],
    correction: Int = 0,
    keepingDimensions: Bool = false
  ) -> Tensor {
    let plan = ReductionPlan(shape, axes, keepingDimensions: keepingDimensions, "variance")
    let divisor = Swift.max(plan.joined - correction, 0)
    if let block = plan.block, let floats = self as? Tensor<Float>,
      let result = floats.fusedVariance(block, plan.result, divisor) as? Tensor
    {
      return result
    }
    let centred = self - mean(axes: axes, keepingDimensions: true)
    return (centred * centred).sum(axes: axes, keepingDimensions: keepingDimensions)
      / Element(divisor)
  }

  /// The square roots of the variances over `axes`; see `variance(axes:correction:)`.
  public func standardDeviation(
    axes: Int...,
    correction: Int = 0,
    keepingDimensions: Bool = false
  ) -> Tensor {
    standardDeviation(axes: axes, correction: correction, keepingDimensions: keepingDimensions)
  }

  /// The square roots of the variances over `axes`; see the version with a list of arguments.
  public func standardDeviation(
    axes: [Int],
    correction: Int = 0,
    keepingDimensions: Bool = false
  ) -> Tensor {
    var result = variance(axes: axes, correction: correction, keepingDimensions: keepingDimensions)
    result.withUnsafeMutableElements { values in
      for index in values.indices { values[index] = values[index].squareRoot() }
    }
    return result
  }
}

extension Tensor where Element == Float {
  fileprivate func fusedVariance(_ block: ReductionBlock, _ result: Shape, _ divisor: Int) -> Tensor
  {
    Tensor(uninitialized: result) { target in
      guard let to = target.baseAddress else { return }
      withUnsafeTemporaryAllocation(of: Double.self, capacity: target.count) { centres in
        guard let centre = centres.baseAddress else { return }
        FloatReduction(reduction: .sum, block: block, source: start, centre: nil).run(centre)
        for index in 0..<centres.count { centre[index] /= Double(block.reduced) }
        FloatReduction(reduction: .squares, block: block, source: start, centre: centre)
          .run(to, scale: 1 / Double(divisor))
      }
      withExtendedLifetime(storage) {}
    }
  }

  /// The smallest and the largest element, NaN ignored; (+∞, −∞) when there are none.
  public func extrema() -> (minimum: Float, maximum: Float) {
    withUnsafeElements { source in
      var (minimum, maximum) = (Float.infinity, -Float.infinity)
      if let from = source.baseAddress { ck_min_max(source.count, from, &minimum, &maximum) }
      return (minimum, maximum)
    }
  }

  /// log Σ exp along the last axis, with the maximum subtracted.
  ///
  /// - Shapes: self [… × N], result […]; −∞ for N = 0.
  public func logSumExp() -> Tensor {
    let width = lastExtent("logSumExp")
    return Tensor(uninitialized: shape.droppingLast) { target in
      guard let to = target.baseAddress else { return }
      forEachRange(count: target.count, grain: rowGrain(width: width)) { range in
        for row in range { to[row] = ck_log_sum_exp(width, start + row * width) }
      }
      withExtendedLifetime(storage) {}
    }
  }

  /// log Σ exp over `axes`, with the maximum subtracted; shapes as in `sum`.
  public func logSumExp(axes: Int..., keepingDimensions: Bool = false) -> Tensor {
    logSumExp(axes: axes, keepingDimensions: keepingDimensions)
  }

  /// log Σ exp over `axes`; see the version with a list of arguments.
  public func logSumExp(axes: [Int], keepingDimensions: Bool = false) -> Tensor {
    let plan = ReductionPlan(shape, axes, keepingDimensions: keepingDimensions, "logSumExp")
    guard plan.joined > 0 else { return Tensor(repeating: -.infinity, shape: plan.result) }
    if let block = plan.block, block.inner == 1 {
      return reshaped(to: [block.outer, block.reduced]).logSumExp().reshaped(to: plan.result)
    }
    var offsets = max(axes: axes, keepingDimensions: true)
    // An infinite maximum is the result itself: ∞ − ∞ must not arise.
    let shift = select(offsets.isFinite(), offsets, 0)
    offsets = (self - shift).exp().sum(axes: axes, keepingDimensions: true).log()
    return (offsets + shift).reshaped(to: plan.result)
  }

  /// Where the elements are neither infinite nor NaN.
  public func isFinite() -> Tensor<Bool> { (self - self) .== 0 }

  /// Where the elements are NaN.
  public func isNaN() -> Tensor<Bool> { self .!= self }

  func lastExtent(_ operation: String) -> Int {
    expect(rank > 0, "\(operation): a scalar has no last axis")
    return shape[-1]
  }
}

/// The rows of `width` elements that one part of a parallel row operation handles.
func rowGrain(width: Int) -> Int { max(1, vectorGrain / max(width, 1)) }
