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
  QuantizedRows(weight, bits: bits).dequantized(shape: weight.shape)
}

/// A weight rounded to `bits` bits, symmetric in each row; its gradient is the result's.
///
/// - Shapes: weight [O × …], result the same.
public func fakeQuantized(_ weight: Variable, bits: Int) -> Variable {
  .custom(fakeQuantized(weight.value, bits: bits), input: weight) { $0 }
}
