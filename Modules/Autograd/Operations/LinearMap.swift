import Tensor

/// The linear map y = x Wᵀ + b along the last axis.
///
///     dx = dy W      dW = Σ dyᵀ x      db = Σ dy
///
/// - Shapes: x [… × K], weight [N × K], bias [N] or nil, result [… × N].
public func linear(_ x: Variable, weight: Variable, bias: Variable? = nil) -> Variable {
  let (input, w) = (x.value, weight.value)
  let result = input.linear(weight: w, bias: bias?.value)
  guard let bias else {
    return Variable.recorded(result, x, weight) { gradient, inputs in
      inputs.addRowProduct(to: 0, gradient, w)
      inputs.addProduct(to: 1, gradient, input)
    }
  }
  return Variable.recorded(result, x, weight, bias) { gradient, inputs in
    inputs.addRowProduct(to: 0, gradient, w)
    inputs.addProduct(to: 1, gradient, input)
    let output = gradient
    inputs.update(2) { target in
      var sums = target.take() ?? .zeros([w.shape[0]])
      sums.accumulateColumnSums(of: output)
      target = consume sums
    }
  }
}
