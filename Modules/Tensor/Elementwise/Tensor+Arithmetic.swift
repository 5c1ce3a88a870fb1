import CKernels

extension Tensor where Element: TensorNumber {
  /// The elementwise sum; axes of extent 1 and missing leading axes repeat.
  ///
  /// - Shapes: [2×3] + [3], [2×1] + [1×3] and [2×3] + [] are all [2×3].
  @specialized(where Element == Float)
  public static func + (left: Tensor, right: Tensor) -> Tensor {
    left.combined(.add, right, "add")
  }

  /// The elementwise difference; broadcasts like `+`.
  @specialized(where Element == Float)
  public static func - (left: Tensor, right: Tensor) -> Tensor {
    left.combined(.subtract, right, "subtract")
  }

  /// The elementwise product; broadcasts like `+`.
  @specialized(where Element == Float)
  public static func * (left: Tensor, right: Tensor) -> Tensor {
    left.combined(.multiply, right, "multiply")
  }

  /// The elementwise quotient; broadcasts like `+`, integers round towards zero.
  @specialized(where Element == Float)
  public static func / (left: Tensor, right: Tensor) -> Tensor {
    left.combined(.divide, right, "divide")
  }

  /// Every element plus a number.
  @specialized(where Element == Float)
  public static func + (left: Tensor, right: Element) -> Tensor { left.combined(.add, right) }

  /// Every element minus a number.
  @specialized(where Element == Float)
  public static func - (left: Tensor, right: Element) -> Tensor { left.combined(.subtract, right) }

  /// Every element times a number.
  @specialized(where Element == Float)
  public static func * (left: Tensor, right: Element) -> Tensor { left.combined(.multiply, right) }

  /// Every element divided by a number.
  @specialized(where Element == Float)
  public static func / (left: Tensor, right: Element) -> Tensor { left.combined(.divide, right) }

  /// A number plus every element.
  @specialized(where Element == Float)
  public static func + (left: Element, right: Tensor) -> Tensor { right.combined(.add, left) }

  /// A number minus every element.
  @specialized(where Element == Float)
  public static func - (left: Element, right: Tensor) -> Tensor {
    right.combined(.subtract, left, numberFirst: true)
  }

  /// A number times every element.
  @specialized(where Element == Float)
  public static func * (left: Element, right: Tensor) -> Tensor { right.combined(.multiply, left) }

  /// A number divided by every element.
  @specialized(where Element == Float)
  public static func / (left: Element, right: Tensor) -> Tensor {
    right.combined(.divide, left, numberFirst: true)
  }

  /// Every element with its sign changed.
  public static prefix func - (tensor: Tensor) -> Tensor { tensor.combined(.multiply, -1) }
}

// MARK: - In place

extension Tensor where Element: TensorNumber {
  /// Adds a tensor that broadcasts to this one's shape; in place when the memory is not shared.
  public static func += (left: inout Tensor, right: Tensor) {
    left.combine(.add, right, "add")
  }

  /// Subtracts a tensor that broadcasts to this one's shape.
  public static func -= (left: inout Tensor, right: Tensor) {
    left.combine(.subtract, right, "subtract")
  }

  /// Multiplies by a tensor that broadcasts to this one's shape.
  public static func *= (left: inout Tensor, right: Tensor) {
    left.combine(.multiply, right, "multiply")
  }

  /// Divides by a tensor that broadcasts to this one's shape.
  public static func /= (left: inout Tensor, right: Tensor) {
    left.combine(.divide, right, "divide")
  }

  /// Adds a number to every element.
  public static func += (left: inout Tensor, right: Element) { left.combine(.add, right) }

  /// Subtracts a number from every element.
  public static func -= (left: inout Tensor, right: Element) { left.combine(.subtract, right) }

  /// Multiplies every element by a number.
  public static func *= (left: inout Tensor, right: Element) { left.combine(.multiply, right) }

  /// Divides every element by a number.
  public static func /= (left: inout Tensor, right: Element) { left.combine(.divide, right) }

  /// Sets every element to `value`; in place when the memory is not shared.
  public mutating func fill(_ value: Element) {
    if !storage.isWritable() {
      self = Tensor(repeating: value, shape: shape)
    } else {
      start.fill(value, count: count)
    }
  }
}

extension Tensor where Element == Float {
  /// self += factor · other, for tensors of one shape; in place when the memory is not shared.
  public mutating func add(_ other: Tensor, scaledBy factor: Float) {
    expect(shape == other.shape, "add scaled: shapes differ, \(shape) · \(other.shape)")
    withUnsafeMutableElements { target in
      other.withUnsafeElements { source in
        guard let to = target.baseAddress, let from = source.baseAddress else { return }
        forEachRange(count: source.count) { range in
          let start = range.lowerBound
          ck_add_scaled(range.count, from + start, factor, to + start)
        }
      }
    }
  }
}

// MARK: - Layouts

/// Calls `body` with ranges that cover `0..<count`, on several threads when there are many.
func forEachRange(count: Int, grain: Int = cheapGrain, _ body: (Range<Int>) -> Void) {
  if count <= 2 * grain {
    body(0..<count)
  } else {
    WorkPool.forEachRange(count: count, grain: grain, body)
  }
}

extension Tensor where Element: TensorNumber {
  @specialized(where Element == Float) @inline(never)
  func combined(
    _ operation: Combination,
    _ other: Tensor,
    _ name: @autoclosure () -> String
  ) -> Tensor {
    guard shape != other.shape else {
      return Tensor(uninitialized: shape) { target in
        guard let to = target.baseAddress else { return }
        combineEqual(operation, start, other.start, to)
        withExtendedLifetime((storage, other.storage)) {}
      }
    }
    let plan = BroadcastPlan(shape, other.shape, name())
    return Tensor(uninitialized: plan.shape) { target in
      guard let to = target.baseAddress else { return }
      combineBlocks(plan, operation, start, other.start, to)
      withExtendedLifetime((storage, other.storage)) {}
    }
  }

  @specialized(where Element == Float) @inline(never)
  func combined(_ operation: Combination, _ number: Element, numberFirst: Bool = false) -> Tensor {
    Tensor(uninitialized: shape) { target in
      guard let to = target.baseAddress else { return }
      combineNumber(operation, start, number, numberFirst, to)
      withExtendedLifetime(storage) {}
    }
  }

  @specialized(where Element == Float) @inline(never)
  private mutating func combine(
    _ operation: Combination,
    _ other: Tensor,
    _ name: @autoclosure () -> String
  ) {
    if shape == other.shape {
      guard storage.isWritable() else { return self = combined(operation, other, name()) }
      combineEqual(operation, start, other.start, start)
    } else {
      let plan = BroadcastPlan(shape, other.shape, name())
      expect(
        plan.shape == shape,
        "\(name()) in place: the right shape does not broadcast to the left, "
          + "\(shape) · \(other.shape)"
      )
      guard storage.isWritable() else { return self = combined(operation, other, name()) }
      combineBlocks(plan, operation, start, other.start, start)
    }
    withExtendedLifetime(other.storage) {}
  }

  @specialized(where Element == Float) @inline(never)
  private mutating func combine(_ operation: Combination, _ number: Element) {
    guard storage.isWritable() else { return self = combined(operation, number) }
    combineNumber(operation, start, number, false, start)
  }

  private func combineEqual(
    _ operation: Combination,
    _ left: UnsafePointer<Element>,
    _ right: UnsafePointer<Element>,
    _ to: UnsafeMutablePointer<Element>
  ) {
    forEachRange(count: count) { range in
      let start = range.lowerBound
      let rows = PairRows(
        rows: 1,
        width: range.count,
        left: left + start,
        right: right + start,
        leftStride: 0,
        rightStride: 0,
        repeatsLeft: false,
        repeatsRight: false
      )
      rows.combine(operation, to + start)
    }
  }

  private func combineNumber(
    _ operation: Combination,
    _ source: UnsafePointer<Element>,
    _ number: Element,
    _ numberFirst: Bool,
    _ to: UnsafeMutablePointer<Element>
  ) {
    withUnsafePointer(to: number) { number in
      forEachRange(count: count) { range in
        let from = source + range.lowerBound
        let rows = PairRows(
          rows: 1,
          width: range.count,
          left: numberFirst ? number : from,
          right: numberFirst ? from : number,
          leftStride: 0,
          rightStride: 0,
          repeatsLeft: numberFirst,
          repeatsRight: !numberFirst
        )
        rows.combine(operation, to + range.lowerBound)
      }
    }
  }

  private func combineBlocks(
    _ plan: BroadcastPlan,
    _ operation: Combination,
    _ left: UnsafePointer<Element>,
    _ right: UnsafePointer<Element>,
    _ to: UnsafeMutablePointer<Element>
  ) {
    plan.forEachBlock(grain: cheapGrain) { block in
      plan.rows(of: block, left, right).combine(operation, to + block.out)
    }
  }
}

extension BroadcastPlan {
  /// The operands of a block.
  func rows<Element>(
    of block: Block,
    _ left: UnsafePointer<Element>,
    _ right: UnsafePointer<Element>
  ) -> PairRows<Element> {
    PairRows(
      rows: block.rows,
      width: block.width,
      left: left + block.left,
      right: right + block.right,
      leftStride: leftRowStride,
      rightStride: rightRowStride,
      repeatsLeft: repeatsLeft,
      repeatsRight: repeatsRight
    )
  }
}
