import Tensor

// A negative axis counts from the end; no axes means all of them.

extension Variable {
  /// The sum of all elements, a scalar.
  public func sum() -> Variable {
    let shape = shape
    return Self.recorded(Tensor(scalar: value.sum()), self) { gradient, inputs in
      inputs.pass(to: 0, Tensor(repeating: gradient.item, shape: shape))
    }
  }

  /// The mean of all elements, a scalar; NaN when there are none.
  public func mean() -> Variable {
    let shape = shape
    return Self.recorded(Tensor(scalar: value.mean()), self) { gradient, inputs in
      inputs.pass(to: 0, Tensor(repeating: gradient.item / Float(shape.count), shape: shape))
    }
  }

  /// The sums over `axes`.
  public func sum(axes: Int..., keepingDimensions: Bool = false) -> Variable {
    sum(axes: axes, keepingDimensions: keepingDimensions)
  }

  /// The sums over `axes`.
  public func sum(axes: [Int], keepingDimensions: Bool = false) -> Variable {
    let (shape, kept) = (shape, shape.keeping(reduced: axes))
    let sums = value.sum(axes: axes, keepingDimensions: keepingDimensions)
    return Self.recorded(sums, self) { gradient, inputs in
      inputs.pass(to: 0, gradient.reshaped(to: kept).broadcast(to: shape))
    }
  }

  /// The means over `axes`.
  public func mean(axes: Int..., keepingDimensions: Bool = false) -> Variable {
    mean(axes: axes, keepingDimensions: keepingDimensions)
  }

  /// The means over `axes`.
  public func mean(axes: [Int], keepingDimensions: Bool = false) -> Variable {
    let extent = Float(shape.extent(of: axes))
    return sum(axes: axes, keepingDimensions: keepingDimensions) / extent
  }

  /// The variances over `axes`: Σ (x − mean)² / (count − correction).
  ///
  /// A `correction` of 0 gives the population's variance, 1 the unbiased estimate.
  public func variance(
    axes: Int...,
    correction: Int = 0,
    keepingDimensions: Bool = false
  ) -> Variable {
    variance(axes: axes, correction: correction, keepingDimensions: keepingDimensions)
  }

  /// The variances over `axes`; see the version with a list of arguments.
  public func variance(
    axes: [Int],
    correction: Int = 0,
    keepingDimensions: Bool = false
  ) -> Variable {
    let extent = shape.extent(of: axes)
    let centred = self - mean(axes: axes, keepingDimensions: true)
    let squares = (centred * centred).sum(axes: axes, keepingDimensions: keepingDimensions)
    return squares / Float(Swift.max(extent - correction, 0))
  }

  /// The square roots of the variances over `axes`; where one is 0 no gradient passes, as in torch.
  public func standardDeviation(
    axes: Int...,
    correction: Int = 0,
    keepingDimensions: Bool = false
  ) -> Variable {
    standardDeviation(axes: axes, correction: correction, keepingDimensions: keepingDimensions)
  }

  /// The square roots of the variances over `axes`; see the version with a list of arguments.
  public func standardDeviation(
    axes: [Int],
    correction: Int = 0,
    keepingDimensions: Bool = false
  ) -> Variable {
    let variances = variance(
      axes: axes,
      correction: correction,
      keepingDimensions: keepingDimensions
    )
    let roots = variances.value.sqrt()
    return Self.recorded(roots, variances) { gradient, inputs in
      inputs.pass(to: 0, select(roots .== 0, Tensor(scalar: 0), gradient / (roots * 2)))
    }
  }

  /// The largest elements over `axes`; equal ones share the gradient.
  public func max(axes: Int..., keepingDimensions: Bool = false) -> Variable {
    max(axes: axes, keepingDimensions: keepingDimensions)
  }

  /// The largest elements over `axes`; equal ones share the gradient.
  public func max(axes: [Int], keepingDimensions: Bool = false) -> Variable {
    let result = value.max(axes: axes, keepingDimensions: keepingDimensions)
    return extremum(result, axes)
  }

  /// The smallest elements over `axes`; equal ones share the gradient.
  public func min(axes: Int..., keepingDimensions: Bool = false) -> Variable {
    min(axes: axes, keepingDimensions: keepingDimensions)
  }

  /// The smallest elements over `axes`; equal ones share the gradient.
  public func min(axes: [Int], keepingDimensions: Bool = false) -> Variable {
    let result = value.min(axes: axes, keepingDimensions: keepingDimensions)
    return extremum(result, axes)
  }

  private func extremum(_ result: Tensor<Float>, _ axes: [Int]) -> Variable {
    let (x, kept) = (value, shape.keeping(reduced: axes))
    return Self.recorded(result, self) { gradient, inputs in
      let isExtreme = (x .== result.reshaped(to: kept)).ones()
      let share = gradient.reshaped(to: kept) / isExtreme.sum(axes: axes, keepingDimensions: true)
      inputs.pass(to: 0, isExtreme * share)
    }
  }

  /// log Σ exp over `axes`, with the maximum subtracted.
  public func logSumExp(axes: Int..., keepingDimensions: Bool = false) -> Variable {
    logSumExp(axes: axes, keepingDimensions: keepingDimensions)
  }

  /// log Σ exp over `axes`, with the maximum subtracted.
  public func logSumExp(axes: [Int], keepingDimensions: Bool = false) -> Variable {
    let (x, kept) = (value, shape.keeping(reduced: axes))
    let result = x.logSumExp(axes: axes, keepingDimensions: keepingDimensions)
    return Self.recorded(result, self) { gradient, inputs in
      let weights = (x - result.reshaped(to: kept)).exp()
      inputs.pass(to: 0, weights * gradient.reshaped(to: kept))
    }
  }

  /// The products over `axes`; zeros are allowed.
  public func product(axes: Int..., keepingDimensions: Bool = false) -> Variable {
    product(axes: axes, keepingDimensions: keepingDimensions)
  }

  /// The products over `axes`; zeros are allowed.
  public func product(axes: [Int], keepingDimensions: Bool = false) -> Variable {
    let (x, kept) = (value, shape.keeping(reduced: axes))
    let result = x.product(axes: axes, keepingDimensions: keepingDimensions)
    return Self.recorded(result, self) { gradient, inputs in
      inputs.pass(to: 0, productOfOthers(x, axes) * gradient.reshaped(to: kept))
    }
  }
}

/// For every element the product of all others that share its place in the result.
///
/// Two zeros or more make every product 0; with one zero only its own is not.
private func productOfOthers(_ x: Tensor<Float>, _ axes: [Int]) -> Tensor<Float> {
  let isZero = x .== 0
  let zeros = isZero.ones()
  let zeroCount = zeros.sum(axes: axes, keepingDimensions: true)
  let withoutZeros = select(isZero, 1, x)
  let rest = withoutZeros.product(axes: axes, keepingDimensions: true)
  // An element sees the zeros of the others: all of them less its own.
  let othersHaveNone = ((zeroCount - zeros) .== 0).ones()
  return rest / withoutZeros * othersHaveNone
}

extension Shape {
  /// This shape with extents of 1 at the reduced axes; all are reduced when none is named.
  func keeping(reduced axes: [Int]) -> Shape {
    var extents = extents
    for axis in axes.isEmpty ? Array(0..<rank) : axes {
      extents[axis < 0 ? axis + rank : axis] = 1
    }
    return Shape(extents)
  }

  /// The number of elements that a reduction over `axes` joins into one.
  func extent(of axes: [Int]) -> Int {
    axes.isEmpty ? count : axes.reduce(1) { $0 * self[$1] }
  }
}

extension Tensor where Element == Bool {
  /// 1 where the element is true, else 0.
  fileprivate func ones() -> Tensor<Float> {
    select(self, Tensor<Float>(scalar: 1), Tensor<Float>(scalar: 0))
  }
}
