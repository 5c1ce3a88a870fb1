import CKernels

// A negative axis counts from the end; no axes means all of them. Floats are summed in pairs and
// blocks whose order depends on the shape alone, blocks in double precision: always the same bits.

extension Tensor where Element: TensorNumber {
  /// The sum of all elements; 0 when there are none; integers wrap around.
  public func sum() -> Element { reduced(.sum, [], false, "sum").item }

  /// The product of all elements; 1 when there are none; integers wrap around.
  public func product() -> Element { reduced(.product, [], false, "product").item }

  /// The largest element, NaN if one is NaN; there must be one.
  public func max() -> Element { reduced(.maximum, [], false, "max").item }

  /// The smallest element, NaN if one is NaN; there must be one.
  public func min() -> Element { reduced(.minimum, [], false, "min").item }

  /// The sums over `axes`.
  ///
  /// - Shapes: self [2×3×4], `axes` 0, 2: [3], or [1×3×1] when keeping dimensions.
  public func sum(axes: Int..., keepingDimensions: Bool = false) -> Tensor {
    reduced(.sum, axes, keepingDimensions, "sum")
  }

  /// The sums over `axes`.
  public func sum(axes: [Int], keepingDimensions: Bool = false) -> Tensor {
    reduced(.sum, axes, keepingDimensions, "sum")
  }

  /// The products over `axes`; shapes as in `sum`.
  public func product(axes: Int..., keepingDimensions: Bool = false) -> Tensor {
    reduced(.product, axes, keepingDimensions, "product")
  }

  /// The products over `axes`; shapes as in `sum`.
  public func product(axes: [Int], keepingDimensions: Bool = false) -> Tensor {
    reduced(.product, axes, keepingDimensions, "product")
  }

  /// The largest elements over `axes`, NaN where one is NaN; shapes as in `sum`.
  ///
  /// The reduced axes must not be empty.
  public func max(axes: Int..., keepingDimensions: Bool = false) -> Tensor {
    reduced(.maximum, axes, keepingDimensions, "max")
  }

  /// The largest elements over `axes`; see the version with a list of arguments.
  public func max(axes: [Int], keepingDimensions: Bool = false) -> Tensor {
    reduced(.maximum, axes, keepingDimensions, "max")
  }

  /// The smallest elements over `axes`, NaN where one is NaN; shapes as in `sum`.
  ///
  /// The reduced axes must not be empty.
  public func min(axes: Int..., keepingDimensions: Bool = false) -> Tensor {
    reduced(.minimum, axes, keepingDimensions, "min")
  }

  /// The smallest elements over `axes`; see the version with a list of arguments.
  public func min(axes: [Int], keepingDimensions: Bool = false) -> Tensor {
    reduced(.minimum, axes, keepingDimensions, "min")
  }

  /// The sum over what was repeated when a tensor of shape `target` was broadcast to this one's.
  ///
  /// - Shapes: `target` broadcasts to self; the result has shape `target`.
  package func summed(to target: Shape) -> Tensor {
    guard shape != target else { return self }
    let missing = rank - target.rank
    expect(missing >= 0, "sum to: the target has more axes, \(shape) · \(target)")
    var axes = Array(0..<missing)
    for axis in missing..<Swift.max(rank, missing) where target[axis - missing] != shape[axis] {
      expect(target[axis - missing] == 1, "sum to: shapes do not broadcast, \(shape) · \(target)")
      axes.append(axis)
    }
    let sums = axes.isEmpty ? self : sum(axes: axes)
    return sums.reshaped(to: target)
  }
}

// MARK: - How

extension Tensor where Element: TensorNumber {
  func reduced(
    _ reduction: Reduction,
    _ axes: [Int],
    _ keepingDimensions: Bool,
    _ operation: String
  ) -> Tensor {
    let plan = ReductionPlan(shape, axes, keepingDimensions: keepingDimensions, operation)
    if reduction == .maximum || reduction == .minimum {
      expect(
        plan.joined > 0 || plan.result.count == 0,
        "\(operation): there is nothing to choose from, axes \(axes) of \(shape)"
      )
    }
    guard let block = plan.block else { return reducedInTurn(reduction, plan, operation) }
    return Tensor(uninitialized: plan.result) { target in
      guard let to = target.baseAddress else { return }
      reduce(reduction, block, to)
      withExtendedLifetime(storage) {}
    }
  }

  /// Several runs of reduced axes: the last run first, then the others.
  private func reducedInTurn(
    _ reduction: Reduction,
    _ plan: ReductionPlan,
    _ operation: String
  ) -> Tensor {
    let extents = plan.groups
    let outer = extents.dropLast(2).reduce(1, *)
    let tail = extents.suffix(2)
    let inner = Array(extents.dropLast(3)) + [extents[extents.count - 3] * (tail.last ?? 1)]
    let folded = reshaped(to: [outer, tail.first ?? 1, tail.last ?? 1])
    let once = folded.reduced(reduction, [1], false, operation)
    // What is left has the shape [kept, reduced, …, kept] with one run less.
    guard inner.count <= Shape.maximumRank else { fatalError("\(operation): too many axes") }
    let axes = stride(from: 1, to: inner.count, by: 2).map { $0 }
    let rest = once.reshaped(to: Shape(inner)).reduced(reduction, axes, false, operation)
    return rest.reshaped(to: plan.result)
  }

  private func reduce(
    _ reduction: Reduction,
    _ block: ReductionBlock,
    _ out: UnsafeMutablePointer<Element>
  ) {
    let (source, target) = (UnsafeRawPointer(start), UnsafeMutableRawPointer(out))
    func typed<Number>(_: Number.Type) -> (NumberReduction<Number>, UnsafeMutablePointer<Number>) {
      let reduction = NumberReduction<Number>(
        block: block,
        source: source.assumingMemoryBound(to: Number.self)
      )
      return (reduction, target.assumingMemoryBound(to: Number.self))
    }
    switch Element.elementType {
    case .float32:
      let floats = FloatReduction(
        reduction: reduction,
        block: block,
        source: source.assumingMemoryBound(to: Float.self),
        centre: nil
      )
      floats.run(target.assumingMemoryBound(to: Float.self))
    case .float64:
      let (loop, to) = typed(Double.self)
      loop.reduceReals(reduction, to)
    case .int32:
      let (loop, to) = typed(Int32.self)
      loop.reduceIntegers(reduction, to)
    case .int64:
      let (loop, to) = typed(Int64.self)
      loop.reduceIntegers(reduction, to)
    default: noLoop(for: Element.self)
    }
  }
}

extension FloatReduction {
  /// Writes [outer × inner] results, each multiplied by `scale`.
  func run(_ out: UnsafeMutablePointer<Float>, scale: Double = 1) {
    let count = block.outer * block.inner
    withUnsafeTemporaryAllocation(of: Double.self, capacity: count) { results in
      guard let from = results.baseAddress else { return }
      run(from)
      for index in 0..<count { out[index] = Float(from[index] * scale) }
    }
  }
}
