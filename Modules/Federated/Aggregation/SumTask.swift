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

/// The sum of some rows of one parameter over all devices, which one thread makes.
struct SumTask {
  private let terms: [SumTerm]
  private let target: UnsafeMutablePointer<Double>
  private let rows: Range<Int>
  private let stride: Int

  /// The rows of a parameter in parts of about 8192 entries: they stay in the fastest cache.
  static func split(
    _ shape: Shape,
    _ terms: [SumTerm],
    into target: UnsafeMutablePointer<Double>
  ) -> [SumTask] {
    let rowCount = shape.rank < 2 ? 1 : shape[0]
    guard shape.count > 0 else { return [] }
    let stride = shape.count / rowCount
    let grain = max(1, 8192 / stride)
    return Swift.stride(from: 0, to: rowCount, by: grain).map { first in
      SumTask(
        terms: terms,
        target: target,
        rows: first..<min(first + grain, rowCount),
        stride: stride
      )
    }
  }

  func run() {
    for term in terms {
      guard let source = term.elements else { continue }
      switch term.place {
      case .full:
        let start = rows.lowerBound * stride
        addScaled(source + start, term.factor, to: target + start, count: rows.count * stride)
      case .box(let box): add(box, source, term.factor)
      case .bits(let bits): add(bits, source, term.factor)
      }
    }
  }

  private func add(_ box: BoxRuns, _ source: UnsafePointer<Float>, _ factor: Double) {
    var first = 0
    for range in box.rows.runs {
      let common = range.clamped(to: rows)
      for row in common {
        let from = source + (first + row - range.lowerBound) * box.localStride
        let to = target + row * stride
        for run in box.runs {
          addScaled(from + run.local, factor, to: to + run.global, count: run.count)
        }
      }
      first += range.count
    }
  }

  private func add(_ bits: BitSet, _ source: UnsafePointer<Float>, _ factor: Double) {
    let (start, end) = (rows.lowerBound * stride, rows.upperBound * stride)
    bits.words.withUnsafeBufferPointer { words in
      var index = start
      while index < end {
        let stop = min((index | 63) + 1, end)
        var rest = words[index >> 6] >> UInt64(index & 63)
        if stop - index < 64 { rest &= (1 << UInt64(stop - index)) - 1 }
        if rest == .max {
          addScaled(source + index, factor, to: target + index, count: 64)
        } else {
          while rest != 0 {
            let place = index + rest.trailingZeroBitCount
            target[place] += factor * Double(source[place])
            rest &= rest - 1
          }
        }
        index = stop
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
