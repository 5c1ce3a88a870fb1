public import Tensor
public import Testing

/// Expects |a − b| ≤ absolute + relative · |b| for all elements; NaN is close to NaN only.
///
/// A failure shows the worst index, both values there and the error.
public func expectClose<Number: BinaryFloatingPoint>(
  _ found: [Number],
  _ expected: [Number],
  relative: Number = 0,
  absolute: Number = 0,
  _ comment: String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  let prefix = comment.isEmpty ? "" : comment + ": "
  guard found.count == expected.count else {
    Issue.record(
      "\(prefix)\(found.count) values, expected \(expected.count)",
      sourceLocation: sourceLocation
    )
    return
  }
  var worst = -1
  var worstExcess = Number(0)
  var failures = 0
  for index in found.indices {
    let excess = excess(found[index], expected[index], relative, absolute)
    if excess > 0 { failures += 1 }
    if excess > worstExcess { (worst, worstExcess) = (index, excess) }
  }
  guard worst >= 0 else { return }
  let (a, b) = (found[worst], expected[worst])
  let bound = "\(absolute) + \(relative)·|expected|"
  let text = "worst at \(worst): \(a), expected \(b), off by \((a - b).magnitude)"
  Issue.record(
    "\(prefix)\(failures) of \(found.count) values are off by more than \(bound); \(text)",
    sourceLocation: sourceLocation
  )
}

/// Expects two tensors of the same shape with close elements; see the version for arrays.
public func expectClose(
  _ found: Tensor<Float>,
  _ expected: Tensor<Float>,
  relative: Float = 0,
  absolute: Float = 0,
  _ comment: String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard found.shape == expected.shape else {
    Issue.record(
      "\(comment): shape \(found.shape), expected \(expected.shape)",
      sourceLocation: sourceLocation
    )
    return
  }
  expectClose(
    found.elements,
    expected.elements,
    relative: relative,
    absolute: absolute,
    comment,
    sourceLocation: sourceLocation
  )
}

/// By how much the error exceeds the bound; 0 or less when it does not.
private func excess<Number: BinaryFloatingPoint>(
  _ a: Number,
  _ b: Number,
  _ relative: Number,
  _ absolute: Number
) -> Number {
  if a == b || a.isNaN && b.isNaN { return 0 }
  let excess = (a - b).magnitude - (absolute + relative * b.magnitude)
  return excess.isNaN ? .infinity : excess
}
