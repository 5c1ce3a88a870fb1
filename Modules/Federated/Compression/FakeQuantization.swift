public import Autograd
public import Tensor

// Per output channel (row of axis 0), with Q = 2^(b−1) − 1:
//
//     s = max|w| / Q,   q = clamp(round_half_even(w / s), −Q, Q),   ŵ = s q
//
// The gradient goes straight through to w.

/// A weight rounded to `bits` bits, symmetric in each row.
///
/// - Shapes: weight [O × …], result the same.
public func fakeQuantized(_ weight: Tensor<Float>, bits: Int) -> Tensor<Float> {
  let rows = SymmetricRows(weight, bits: bits)
  return rows.dequantized().reshaped(to: weight.shape)
}

/// A weight rounded to `bits` bits, symmetric in each row; its gradient is the result's.
///
/// - Shapes: weight [O × …], result the same.
public func fakeQuantized(_ weight: Variable, bits: Int) -> Variable {
  .custom(fakeQuantized(weight.value, bits: bits), input: weight) { $0 }
}

/// Symmetric codes of rows, each with its own step size; 1 where a row is all zeros.
struct SymmetricRows {
  let codes: [Int8]
  let stepSizes: [Float]
  let columnCount: Int

  init(_ weight: Tensor<Float>, bits: Int) {
    expect((2...8).contains(bits), "fake quantization: \(bits) bits, choose 2 to 8")
    let limit = Float((1 << (bits - 1)) - 1)
    let rowCount = weight.rank == 0 ? 1 : weight.shape[0]
    let columns = rowCount == 0 ? 0 : weight.count / rowCount
    var codes = [Int8](repeating: 0, count: weight.count)
    var steps = [Float](repeating: 1, count: rowCount)
    weight.withUnsafeElements { elements in
      for row in 0..<rowCount {
        let range = row * columns..<(row + 1) * columns
        let largest = elements[range].reduce(0) { max($0, $1.magnitude) }
        if largest > 0 { steps[row] = max(largest / limit, .leastNormalMagnitude) }
        for index in range {
          let code = (elements[index] / steps[row]).rounded(.toNearestOrEven)
          codes[index] = Int8(max(-limit, min(limit, code)))
        }
      }
    }
    (self.codes, stepSizes, columnCount) = (codes, steps, columns)
  }

  /// s q [rows × columns].
  func dequantized() -> Tensor<Float> {
    Tensor(uninitialized: [stepSizes.count, columnCount]) { target in
      for (row, step) in stepSizes.enumerated() {
        for index in row * columnCount..<(row + 1) * columnCount {
          target[index] = step * Float(codes[index])
        }
      }
    }
  }
}
