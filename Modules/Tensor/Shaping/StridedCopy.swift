import CKernels

/// A copy between elements that lie at fixed distances along each axis, on either side.
///
/// Permuting, slicing, broadcasting, joining and flipping are this copy with other distances.
/// Neighbouring axes that both sides continue are one axis of the plan.
struct StridedCopy {
  /// The merged axes, innermost first.
  private var extents = Shape.Slots(repeating: 1)
  private var source = Shape.Slots.zero
  private var target = Shape.Slots.zero
  private var axisCount = 0
  private var rowCount = 0

  /// The rows of one step: two axes, and where they begin.
  private struct Block {
    var rows: Int
    var width: Int
    var source: Int
    var target: Int
  }

  /// The plan for `shape` elements; distances by axis, outermost first.
  init(_ shape: Shape, source sourceStrides: Shape.Slots, target targetStrides: Shape.Slots) {
    let slots = shape.slots
    for axis in stride(from: shape.rank - 1, through: 0, by: -1) where slots[axis] != 1 {
      let isContinued =
        axisCount > 0
        && sourceStrides[axis] == source[axisCount - 1] * extents[axisCount - 1]
        && targetStrides[axis] == target[axisCount - 1] * extents[axisCount - 1]
      if isContinued {
        extents[axisCount - 1] *= slots[axis]
      } else {
        extents[axisCount] = slots[axis]
        source[axisCount] = sourceStrides[axis]
        target[axisCount] = targetStrides[axis]
        axisCount += 1
      }
    }
    rowCount = extents[0] == 0 ? 0 : shape.count / extents[0]
    // A transposition: the axis along which the source is dense becomes the second one.
    if source[0] != 1 && source[0] != 0 {
      for axis in stride(from: 2, to: axisCount, by: 1) where source[axis] == 1 {
        (extents[1], extents[axis]) = (extents[axis], extents[1])
        (source[1], source[axis]) = (source[axis], source[1])
        (target[1], target[axis]) = (target[axis], target[1])
        break
      }
    }
  }

  /// Copies elements of `size` bytes.
  func copy(from: UnsafeRawPointer, to: UnsafeMutableRawPointer, size: Int) {
    switch size {
    case 1: copy(UInt8.self, from, to)
    case 2: copy(UInt16.self, from, to)
    case 4: copy(UInt32.self, from, to)
    default: copy(UInt64.self, from, to)
    }
  }

  /// Adds the source's numbers to the target's; no place of the target may come twice.
  func add(from: UnsafePointer<Float>, to: UnsafeMutablePointer<Float>) {
    forEachBlock { block in
      for row in 0..<block.rows {
        let x = from + block.source + row * source[1]
        let y = to + block.target + row * target[1]
        if source[0] == 1 && target[0] == 1 {
          ck_add(block.width, y, x, y)
        } else {
          for column in 0..<block.width { y[column * target[0]] += x[column * source[0]] }
        }
      }
    }
  }

  @inline(__always)
  private func copy<Bits: FixedWidthInteger>(
    _ type: Bits.Type,
    _ from: UnsafeRawPointer,
    _ to: UnsafeMutableRawPointer
  ) {
    let from = from.assumingMemoryBound(to: Bits.self)
    let to = to.assumingMemoryBound(to: Bits.self)
    let (s0, s1, t0, t1) = (source[0], source[1], target[0], target[1])
    forEachBlock { block in
      let x = from + block.source
      let y = to + block.target
      if t0 == 1 && s0 == 1 {
        for row in 0..<block.rows { (y + row * t1).update(from: x + row * s1, count: block.width) }
      } else if t0 == 1 && s0 == 0 {
        for row in 0..<block.rows {
          (y + row * t1).update(repeating: x[row * s1], count: block.width)
        }
      } else if Bits.bitWidth == 32 && t0 == 1 && s1 == 1 && s0 > 0 && block.rows > 1 {
        x.withMemoryRebound(to: UInt32.self, capacity: 1) { x in
          y.withMemoryRebound(to: UInt32.self, capacity: 1) { y in
            ck_transpose(block.width, block.rows, x, s0, y, t1)
          }
        }
      } else {
        copyTiles(block, x, y)
      }
    }
  }

  /// Square tiles keep both sides in cache.
  @inline(__always)
  private func copyTiles<Bits: FixedWidthInteger>(
    _ block: Block,
    _ x: UnsafePointer<Bits>,
    _ y: UnsafeMutablePointer<Bits>
  ) {
    let (s0, s1, t0, t1, tile) = (source[0], source[1], target[0], target[1], 32)
    for top in stride(from: 0, to: block.rows, by: tile) {
      for left in stride(from: 0, to: block.width, by: tile) {
        for row in top..<min(top + tile, block.rows) {
          for column in left..<min(left + tile, block.width) {
            y[row * t1 + column * t0] = x[row * s1 + column * s0]
          }
        }
      }
    }
  }

  /// Calls `body` with blocks that cover everything, on several threads when it is much.
  private func forEachBlock(_ body: (Block) -> Void) {
    guard rowCount > 0 else { return }
    let (width, grain) = (extents[0], cheapGrain)
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
      var block = Block(
        rows: min(extents[1] - within, rows.upperBound - row),
        width: columns.count,
        source: within * source[1] + columns.lowerBound * source[0],
        target: within * target[1] + columns.lowerBound * target[0]
      )
      for axis in stride(from: 2, to: axisCount, by: 1) {
        let index = outer % extents[axis]
        outer /= extents[axis]
        block.source += index * source[axis]
        block.target += index * target[axis]
      }
      body(block)
      row += block.rows
    }
  }
}

extension Tensor {
  /// A dense tensor of the elements that lie at the given distances from `first`.
  func strided(_ newShape: Shape, _ strides: Shape.Slots, from first: Int = 0) -> Tensor {
    withUnsafeElements { elements in
      Tensor(uninitialized: newShape) { target in
        guard let from = elements.baseAddress, let to = target.baseAddress else { return }
        StridedCopy(newShape, source: strides, target: newShape.strides)
          .copy(from: from + first, to: to, size: MemoryLayout<Element>.size)
      }
    }
  }
}
