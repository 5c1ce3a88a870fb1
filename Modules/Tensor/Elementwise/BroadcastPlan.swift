/// How two operands meet in a result: axes of extent 1 repeat, missing leading axes too.
///
/// Neighbouring axes along which both operands go on in the same way are one axis of the plan, so
/// that equal shapes are one row, and a bias, a column or a scalar are rows with one repeated side.
struct BroadcastPlan {
  /// The shape of the result.
  let shape: Shape
  /// The number of rows, and the elements of each.
  let rowCount: Int
  let width: Int
  /// Whether an operand repeats one element along a row.
  let repeatsLeft: Bool
  let repeatsRight: Bool
  /// The merged axes, innermost first; strides are 0 where an operand repeats.
  private var extents = Shape.Slots(repeating: 1)
  private var left = Shape.Slots.zero
  private var right = Shape.Slots.zero
  private var axisCount = 0

  /// Rows that one call of a kernel handles, and where they start, in elements.
  struct Block {
    var rows: Int
    var width: Int
    var left: Int
    var right: Int
    var out: Int
  }

  var leftRowStride: Int { left[1] }
  var rightRowStride: Int { right[1] }

  /// The plan for two shapes; stops with both shapes when they do not fit.
  init(_ leftShape: Shape, _ rightShape: Shape, _ operation: @autoclosure () -> String) {
    let rank = max(leftShape.rank, rightShape.rank)
    let a = BroadcastPlan.aligned(leftShape, rank: rank)
    let b = BroadcastPlan.aligned(rightShape, rank: rank)
    var slots = Shape.Slots(repeating: 1)
    var (extents, left, right) = (Shape.Slots(repeating: 1), Shape.Slots.zero, Shape.Slots.zero)
    var (merged, leftCount, rightCount) = (0, 1, 1)
    for axis in stride(from: rank - 1, through: 0, by: -1) {
      let (p, q) = (a[axis], b[axis])
      expect(
        p == q || p == 1 || q == 1,
        "\(operation()): shapes do not broadcast, \(leftShape) · \(rightShape)"
      )
      let extent = p == 1 ? q : p
      slots[axis] = extent
      guard extent != 1 else { continue }
      let (leftStride, rightStride) = (p == 1 ? 0 : leftCount, q == 1 ? 0 : rightCount)
      let isContinued =
        merged > 0 && (left[merged - 1] == 0) == (leftStride == 0)
        && (right[merged - 1] == 0) == (rightStride == 0)
      if isContinued {
        extents[merged - 1] *= extent
      } else {
        (extents[merged], left[merged], right[merged]) = (extent, leftStride, rightStride)
        merged += 1
      }
      leftCount *= p
      rightCount *= q
    }
    shape = Shape(rank: rank, slots: slots)
    (self.extents, self.left, self.right, axisCount) = (extents, left, right, merged)
    width = extents[0]
    rowCount = extents[0] == 0 ? 0 : shape.count / extents[0]
    repeatsLeft = merged > 0 && left[0] == 0
    repeatsRight = merged > 0 && right[0] == 0
  }

  /// The extents with ones in front, so that the last of `rank` axes is the last axis.
  private static func aligned(_ shape: Shape, rank: Int) -> Shape.Slots {
    let slots = shape.slots
    let missing = rank - shape.rank
    guard missing > 0 else { return slots }
    var moved = Shape.Slots(repeating: 1)
    for axis in 0..<shape.rank { moved[axis + missing] = slots[axis] }
    return moved
  }

  /// Calls `body` with blocks that cover the result, on several threads when it is large.
  func forEachBlock(grain: Int, _ body: (Block) -> Void) {
    guard rowCount > 0 else { return }
    if rowCount * width <= 2 * grain {
      visit(0..<rowCount, 0..<width, body)
    } else if width >= grain {
      let chunks = (width + grain - 1) / grain
      WorkPool.forEach(parts: rowCount * chunks) { part in
        let (row, start) = (part / chunks, part % chunks * grain)
        visit(row..<row + 1, start..<min(start + grain, width), body)
      }
    } else {
      WorkPool.forEachRange(count: rowCount, grain: grain / width) { visit($0, 0..<width, body) }
    }
  }

  private func visit(_ rows: Range<Int>, _ columns: Range<Int>, _ body: (Block) -> Void) {
    var row = rows.lowerBound
    while row < rows.upperBound {
      let within = row % extents[1]
      var outer = row / extents[1]
      let count = min(extents[1] - within, rows.upperBound - row)
      let start = columns.lowerBound
      var block = Block(
        rows: count,
        width: columns.count,
        left: within * left[1] + start * left[0],
        right: within * right[1] + start * right[0],
        out: row * width + start
      )
      var axis = 2
      while axis < axisCount {
        let index = outer % extents[axis]
        outer /= extents[axis]
        block.left += index * left[axis]
        block.right += index * right[axis]
        axis += 1
      }
      body(block)
      row += count
    }
  }
}
