import Tensor

/// One device's part of the sum of one parameter.
struct SumTerm: @unchecked Sendable {
  // Unchecked: the pointer is read only, and the sum keeps its tensor alive.
  enum Place {
    case full
    case box(BoxRuns)
    case bits(BitSet)
  }

  let elements: UnsafePointer<Float>?
  let place: Place
  let factor: Double

  init(_ part: Tensor<Float>, _ coverage: Coverage, factor: Double) {
    elements = part.withUnsafeElements { $0.baseAddress }
    place =
      switch coverage {
      case .full: .full
      case .box(let axes): .box(BoxRuns(axes))
      case .bits(let bits): .bits(bits)
      }
    self.factor = factor
  }
}

extension SumTerm {
  /// Calls `body` with each run of covered entries in some rows of the parameter: where in the
  /// parameter, where in the part, how many.
  @inline(__always)
  func forEachRun(
    in rows: Range<Int>,
    stride: Int,
    _ body: (_ global: Int, _ local: Int, _ count: Int) -> Void
  ) {
    let (start, end) = (rows.lowerBound * stride, rows.upperBound * stride)
    switch place {
    case .full: body(start, start, end - start)
    case .box(let box):
      var first = 0
      for range in box.rows.runs {
        for row in range.clamped(to: rows) {
          let local = (first + row - range.lowerBound) * box.localStride
          for run in box.runs { body(row * stride + run.global, local + run.local, run.count) }
        }
        first += range.count
      }
    case .bits(let bits):
      bits.forEachRun(in: start..<end) { body($0, $0, $1) }
    }
  }
}

extension BitSet {
  /// Calls `body` with the start and the length of each run of set entries in a range; a run may
  /// come in pieces.
  @inline(__always)
  func forEachRun(in range: Range<Int>, _ body: (_ start: Int, _ count: Int) -> Void) {
    words.withUnsafeBufferPointer { words in
      var index = range.lowerBound
      while index < range.upperBound {
        let stop = min((index | 63) + 1, range.upperBound)
        var rest = words[index >> 6] >> UInt64(index & 63)
        if stop - index < 64 { rest &= (1 << UInt64(stop - index)) - 1 }
        var place = index
        while rest != 0 {
          let gap = rest.trailingZeroBitCount
          rest >>= UInt64(gap)
          let length = (~rest).trailingZeroBitCount
          body(place + gap, length)
          place += gap + length
          rest = length == 64 ? 0 : rest >> UInt64(length)
        }
        index = stop
      }
    }
  }
}

/// Some rows of one parameter over all devices, which one thread works on.
struct RowTask {
  let terms: [SumTerm]
  let place: Int
  let rows: Range<Int>
  let stride: Int

  /// The rows of a parameter in parts of about 8192 entries: they stay in the fastest cache.
  static func split(_ shape: Shape, _ terms: [SumTerm], place: Int) -> [RowTask] {
    let rowCount = shape.rank < 2 ? 1 : shape[0]
    guard shape.count > 0, !terms.isEmpty else { return [] }
    let stride = shape.count / rowCount
    let grain = max(1, 8192 / stride)
    return Swift.stride(from: 0, to: rowCount, by: grain).map { first in
      let rows = first..<min(first + grain, rowCount)
      return RowTask(terms: terms, place: place, rows: rows, stride: stride)
    }
  }

  /// Adds all terms in order.
  func add(to target: UnsafeMutablePointer<Double>) {
    for term in terms {
      guard let source = term.elements else { continue }
      term.forEachRun(in: rows, stride: stride) { global, local, count in
        addScaled(source + local, term.factor, to: target + global, count: count)
      }
    }
  }
}

/// target += factor · source.
@inline(__always)
private func addScaled(
  _ source: UnsafePointer<Float>,
  _ factor: Double,
  to target: UnsafeMutablePointer<Double>,
  count: Int
) {
  for index in 0..<count { target[index] += factor * Double(source[index]) }
}
