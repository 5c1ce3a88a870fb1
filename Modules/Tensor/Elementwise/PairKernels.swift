import CKernels

/// What arithmetic does with two elements; the raw values are CKernels'.
enum Combination: Int32 {
  case add = 0
  case subtract, multiply, divide, minimum, maximum
}

/// What a comparison asks of two elements; the raw values are CKernels'.
enum Comparison: Int32 {
  case less = 0
  case atMost, greater, atLeast, equal, different
}

/// Two operands of rows of results: `ck_pair` for any element type.
struct PairRows<Element> {
  var rows: Int
  var width: Int
  var left: UnsafePointer<Element>
  var right: UnsafePointer<Element>
  var leftStride: Int
  var rightStride: Int
  var repeatsLeft: Bool
  var repeatsRight: Bool

  fileprivate func rebound<Other>(to type: Other.Type) -> PairRows<Other> {
    PairRows<Other>(
      rows: rows,
      width: width,
      left: UnsafeRawPointer(left).assumingMemoryBound(to: type),
      right: UnsafeRawPointer(right).assumingMemoryBound(to: type),
      leftStride: leftStride,
      rightStride: rightStride,
      repeatsLeft: repeatsLeft,
      repeatsRight: repeatsRight
    )
  }

  /// out = operation(left, right) for every row; `Element` is one of the numbers.
  func combine(_ operation: Combination, _ out: UnsafeMutablePointer<Element>)
  where Element: TensorNumber {
    let out = UnsafeMutableRawPointer(out)
    switch Element.elementType {
    case .float32:
      var pair = rebound(to: Float.self).forKernels
      ck_combine(operation.rawValue, &pair, out.assumingMemoryBound(to: Float.self))
    case .float64: rebound(to: Double.self).combineReals(operation, out.bound())
    case .int32: rebound(to: Int32.self).combineIntegers(operation, out.bound())
    case .int64: rebound(to: Int64.self).combineIntegers(operation, out.bound())
    default: noLoop(for: Element.self)
    }
  }

  /// out = operation(left, right) for every row; `Element` is one of the numbers.
  func compare(_ operation: Comparison, _ out: UnsafeMutablePointer<Bool>)
  where Element: TensorNumber {
    switch Element.elementType {
    case .float32:
      var pair = rebound(to: Float.self).forKernels
      let bytes = UnsafeMutableRawPointer(out).assumingMemoryBound(to: UInt8.self)
      ck_compare(operation.rawValue, &pair, bytes)
    case .float64: rebound(to: Double.self).compareOrdered(operation, out)
    case .int32: rebound(to: Int32.self).compareOrdered(operation, out)
    case .int64: rebound(to: Int64.self).compareOrdered(operation, out)
    default: noLoop(for: Element.self)
    }
  }

  /// A concrete loop for every layout; `function` must be a literal, which is compiled into it.
  @inline(__always)
  func apply<Result>(
    _ out: UnsafeMutablePointer<Result>,
    _ function: (Element, Element) -> Result
  ) {
    var (a, b, to) = (left, right, out)
    for _ in 0..<rows {
      if repeatsLeft {
        let first = a.pointee
        for index in 0..<width { to[index] = function(first, b[index]) }
      } else if repeatsRight {
        let second = b.pointee
        for index in 0..<width { to[index] = function(a[index], second) }
      } else {
        for index in 0..<width { to[index] = function(a[index], b[index]) }
      }
      a += leftStride
      b += rightStride
      to += width
    }
  }
}

/// A type conforms to `TensorNumber` that is none of the four.
func noLoop(for type: Any.Type) -> Never {
  fatalError("tensor: there is no arithmetic for \(type)")
}

extension UnsafeMutableRawPointer {
  fileprivate func bound<Element>() -> UnsafeMutablePointer<Element> {
    assumingMemoryBound(to: Element.self)
  }
}

extension PairRows<Float> {
  fileprivate var forKernels: ck_pair {
    ck_pair(
      rows: rows,
      n: width,
      a: left,
      b: right,
      row_a: leftStride,
      row_b: rightStride,
      one_a: repeatsLeft,
      one_b: repeatsRight
    )
  }
}

extension PairRows<Double> {
  fileprivate func combineReals(_ operation: Combination, _ out: UnsafeMutablePointer<Double>) {
    switch operation {
    case .add: apply(out) { $0 + $1 }
    case .subtract: apply(out) { $0 - $1 }
    case .multiply: apply(out) { $0 * $1 }
    case .divide: apply(out) { $0 / $1 }
    case .minimum: apply(out) { $0 < $1 || $0.isNaN ? $0 : $1 }
    case .maximum: apply(out) { $0 > $1 || $0.isNaN ? $0 : $1 }
    }
  }
}

extension PairRows where Element: FixedWidthInteger {
  @inline(__always)
  fileprivate func combineIntegers(
    _ operation: Combination,
    _ out: UnsafeMutablePointer<Element>
  ) {
    switch operation {
    case .add: apply(out) { $0 &+ $1 }
    case .subtract: apply(out) { $0 &- $1 }
    case .multiply: apply(out) { $0 &* $1 }
    case .divide:
      apply(out) { left, right in
        expect(right != 0, "divide: an integer by zero")
        return left.dividedReportingOverflow(by: right).partialValue
      }
    case .minimum: apply(out) { $0 < $1 ? $0 : $1 }
    case .maximum: apply(out) { $0 > $1 ? $0 : $1 }
    }
  }
}

extension PairRows where Element: Comparable {
  @inline(__always)
  fileprivate func compareOrdered(_ operation: Comparison, _ out: UnsafeMutablePointer<Bool>) {
    switch operation {
    case .less: apply(out) { $0 < $1 }
    case .atMost: apply(out) { $0 <= $1 }
    case .greater: apply(out) { $0 > $1 }
    case .atLeast: apply(out) { $0 >= $1 }
    case .equal: apply(out) { $0 == $1 }
    case .different: apply(out) { $0 != $1 }
    }
  }
}
