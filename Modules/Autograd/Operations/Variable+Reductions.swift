import Tensor

extension Variable {
  /// The sum of all elements, a scalar.
  public func sum() -> Variable {
    let shape = shape
    return Self.recorded(Tensor(scalar: value.sum()), self) { gradient, inputs in
      inputs.pass(to: 0, Tensor(repeating: gradient.item, shape: shape))
    }
  }

  /// The mean of all elements, a scalar; NaN when there are none.
  public func mean() -> Variable {
    let shape = shape
    return Self.recorded(Tensor(scalar: value.mean()), self) { gradient, inputs in
      inputs.pass(to: 0, Tensor(repeating: gradient.item / Float(shape.count), shape: shape))
    }
  }
}
