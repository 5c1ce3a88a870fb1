extension Tensor where Element: TensorNumber {
  /// Where the left element is less; broadcasts like `+`.
  public static func .< (left: Tensor, right: Tensor) -> Tensor<Bool> {
    left.compared(.less, right)
  }

  /// Where the left element is less or equal; broadcasts like `+`.
  public static func .<= (left: Tensor, right: Tensor) -> Tensor<Bool> {
    left.compared(.atMost, right)
  }

  /// Where the left element is greater; broadcasts like `+`.
  public static func .> (left: Tensor, right: Tensor) -> Tensor<Bool> {
    left.compared(.greater, right)
  }

  /// Where the left element is greater or equal; broadcasts like `+`.
  public static func .>= (left: Tensor, right: Tensor) -> Tensor<Bool> {
    left.compared(.atLeast, right)
  }

  /// Where the elements are equal; broadcasts like `+`, NaN equals nothing.
  public static func .== (left: Tensor, right: Tensor) -> Tensor<Bool> {
    left.compared(.equal, right)
  }

  /// Where the elements differ; broadcasts like `+`, NaN differs from everything.
  public static func .!= (left: Tensor, right: Tensor) -> Tensor<Bool> {
    left.compared(.different, right)
  }

  /// Where the element is less than a number.
  public static func .< (left: Tensor, right: Element) -> Tensor<Bool> {
    left.compared(.less, Tensor(scalar: right))
  }

  /// Where the element is at most a number.
  public static func .<= (left: Tensor, right: Element) -> Tensor<Bool> {
    left.compared(.atMost, Tensor(scalar: right))
  }

  /// Where the element is greater than a number.
  public static func .> (left: Tensor, right: Element) -> Tensor<Bool> {
    left.compared(.greater, Tensor(scalar: right))
  }

  /// Where the element is at least a number.
  public static func .>= (left: Tensor, right: Element) -> Tensor<Bool> {
    left.compared(.atLeast, Tensor(scalar: right))
  }

  /// Where the element equals a number.
  public static func .== (left: Tensor, right: Element) -> Tensor<Bool> {
    left.compared(.equal, Tensor(scalar: right))
  }

  /// Where the element differs from a number.
  public static func .!= (left: Tensor, right: Element) -> Tensor<Bool> {
    left.compared(.different, Tensor(scalar: right))
  }

  private func compared(_ operation: Comparison, _ other: Tensor) -> Tensor<Bool> {
    let plan = BroadcastPlan(shape, other.shape, "compare")
    return Tensor<Bool>(uninitialized: plan.shape) { target in
      guard let to = target.baseAddress else { return }
      plan.forEachBlock(grain: cheapGrain) { block in
        plan.rows(of: block, start, other.start).compare(operation, to + block.out)
      }
      withExtendedLifetime((storage, other.storage)) {}
    }
  }
}

// MARK: - The lesser and the greater

/// The smaller of the elements, NaN if one is NaN; broadcasts like `+`.
public func minimum<Element: TensorNumber>(
  _ left: Tensor<Element>,
  _ right: Tensor<Element>
) -> Tensor<Element> {
  left.combined(.minimum, right, "minimum")
}

/// The larger of the elements, NaN if one is NaN; broadcasts like `+`.
public func maximum<Element: TensorNumber>(
  _ left: Tensor<Element>,
  _ right: Tensor<Element>
) -> Tensor<Element> {
  left.combined(.maximum, right, "maximum")
}

/// The smaller of each element and a number; NaN stays NaN.
public func minimum<Element: TensorNumber>(
  _ left: Tensor<Element>,
  _ right: Element
) -> Tensor<Element> {
  left.combined(.minimum, right)
}

/// The larger of each element and a number; NaN stays NaN.
public func maximum<Element: TensorNumber>(
  _ left: Tensor<Element>,
  _ right: Element
) -> Tensor<Element> {
  left.combined(.maximum, right)
}

// MARK: - Truth values

extension Tensor where Element == Bool {
  /// Where both are true; broadcasts like `+`.
  public static func .& (left: Tensor, right: Tensor) -> Tensor {
    left.joined(right) { rows, out in rows.apply(out) { $0 && $1 } }
  }

  /// Where one is true; broadcasts like `+`.
  public static func .| (left: Tensor, right: Tensor) -> Tensor {
    left.joined(right) { rows, out in rows.apply(out) { $0 || $1 } }
  }

  /// Where just one is true; broadcasts like `+`.
  public static func .^ (left: Tensor, right: Tensor) -> Tensor {
    left.joined(right) { rows, out in rows.apply(out) { $0 != $1 } }
  }

  /// Where the element is false.
  public static prefix func .! (tensor: Tensor) -> Tensor {
    Tensor(uninitialized: tensor.shape) { target in
      tensor.withUnsafeElements { source in
        for index in 0..<source.count { target[index] = !source[index] }
      }
    }
  }

  /// Whether an element is true.
  public func any() -> Bool { withUnsafeElements { $0.contains(true) } }

  /// Whether all elements are true; so for none.
  public func all() -> Bool { withUnsafeElements { !$0.contains(false) } }

  /// The number of elements that are true.
  public var trueCount: Int {
    withUnsafeElements { source in
      var count = 0
      for index in 0..<source.count { count &+= source[index] ? 1 : 0 }
      return count
    }
  }

  private func joined(
    _ other: Tensor,
    _ loop: (PairRows<Bool>, UnsafeMutablePointer<Bool>) -> Void
  ) -> Tensor {
    let plan = BroadcastPlan(shape, other.shape, "logic")
    return Tensor(uninitialized: plan.shape) { target in
      guard let to = target.baseAddress else { return }
      plan.forEachBlock(grain: cheapGrain) { block in
        loop(plan.rows(of: block, start, other.start), to + block.out)
      }
      withExtendedLifetime((storage, other.storage)) {}
    }
  }
}
