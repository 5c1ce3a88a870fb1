/// The elements of `left` where the mask is true, those of `right` elsewhere; shapes broadcast.
public func select<Element>(
  _ mask: Tensor<Bool>,
  _ left: Tensor<Element>,
  _ right: Tensor<Element>
) -> Tensor<Element> {
  let operands = BroadcastPlan(left.shape, right.shape, "select").shape
  let plan = SelectPlan(
    shape: BroadcastPlan(mask.shape, operands, "select").shape,
    operands: [mask.shape, left.shape, right.shape]
  )
  return Tensor(uninitialized: plan.shape) { target in
    guard let to = target.baseAddress else { return }
    let (choice, a, b) = (mask.start, left.start, right.start)
    // The bits are moved, so that one loop serves all types of a size.
    switch MemoryLayout<Element>.size {
    case 1: plan.select(UInt8.self, choice, a, b, to)
    case 2: plan.select(UInt16.self, choice, a, b, to)
    case 4: plan.select(UInt32.self, choice, a, b, to)
    default: plan.select(UInt64.self, choice, a, b, to)
    }
    withExtendedLifetime((mask.storage, left.storage, right.storage)) {}
  }
}

/// The elements of `left` where the mask is true, a number elsewhere.
public func select<Element>(
  _ mask: Tensor<Bool>,
  _ left: Tensor<Element>,
  _ right: Element
) -> Tensor<Element> {
  select(mask, left, Tensor(scalar: right))
}

/// A number where the mask is true, the elements of `right` elsewhere.
public func select<Element>(
  _ mask: Tensor<Bool>,
  _ left: Element,
  _ right: Tensor<Element>
) -> Tensor<Element> {
  select(mask, Tensor(scalar: left), right)
}

/// Three operands that meet in one shape, row by row.
private struct SelectPlan {
  let shape: Shape
  /// The step of each operand along each axis, 0 where it repeats.
  private let strides: [Shape.Slots]

  init(shape: Shape, operands: [Shape]) {
    self.shape = shape
    strides = operands.map { operand in
      let missing = shape.rank - operand.rank
      let (own, extents) = (operand.strides, operand.slots)
      var strides = Shape.Slots.zero
      for axis in 0..<operand.rank where extents[axis] != 1 { strides[axis + missing] = own[axis] }
      return strides
    }
  }

  func select<Bits>(
    _ type: Bits.Type,
    _ mask: UnsafePointer<Bool>,
    _ left: UnsafeRawPointer,
    _ right: UnsafeRawPointer,
    _ out: UnsafeMutableRawPointer
  ) {
    let last = max(shape.rank - 1, 0)
    let width = shape.rank == 0 ? 1 : shape.slots[last]
    guard shape.count > 0 else { return }
    let steps = strides.map { $0[last] }
    forEachRange(count: shape.count / width, grain: max(1, cheapGrain / width)) { rows in
      for row in rows {
        let starts = starts(ofRow: row, last: last)
        choose(
          width,
          (mask + starts[0], steps[0]),
          (left.assumingMemoryBound(to: type) + starts[1], steps[1]),
          (right.assumingMemoryBound(to: type) + starts[2], steps[2]),
          out.assumingMemoryBound(to: type) + row * width
        )
      }
    }
  }

  private func starts(ofRow row: Int, last: Int) -> SIMD4<Int> {
    var (rest, starts) = (row, SIMD4<Int>.zero)
    for axis in stride(from: last - 1, through: 0, by: -1) {
      let (quotient, index) = rest.quotientAndRemainder(dividingBy: shape.slots[axis])
      for operand in 0..<3 { starts[operand] += index * strides[operand][axis] }
      rest = quotient
    }
    return starts
  }

  @inline(__always)
  private func choose<Bits>(
    _ width: Int,
    _ mask: (start: UnsafePointer<Bool>, step: Int),
    _ left: (start: UnsafePointer<Bits>, step: Int),
    _ right: (start: UnsafePointer<Bits>, step: Int),
    _ out: UnsafeMutablePointer<Bits>
  ) {
    if mask.step == 1 && left.step == 1 && right.step == 1 {
      for index in 0..<width {
        out[index] = mask.start[index] ? left.start[index] : right.start[index]
      }
    } else {
      for index in 0..<width {
        let choice = mask.start[index * mask.step]
        out[index] = choice ? left.start[index * left.step] : right.start[index * right.step]
      }
    }
  }
}
