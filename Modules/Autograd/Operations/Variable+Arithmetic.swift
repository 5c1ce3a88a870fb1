import Tensor

// Operands of different shapes broadcast; the gradient of a broadcast operand is summed back.

extension Variable {
  /// The elementwise sum; shapes broadcast.
  public static func + (left: Variable, right: Variable) -> Variable {
    recorded(left.value + right.value, left, right) { gradient, inputs in
      inputs.pass(to: 0, gradient)
      inputs.pass(to: 1, gradient)
    }
  }

  /// The elementwise product; shapes broadcast.
  public static func * (left: Variable, right: Variable) -> Variable {
    let (a, b) = (left.value, right.value)
    return recorded(a * b, left, right) { gradient, inputs in
      inputs.pass(to: 0, gradient * b)
      inputs.pass(to: 1, gradient * a)
    }
  }

  /// Every element times a number.
  public static func * (left: Variable, right: Float) -> Variable {
    recorded(left.value * right, left) { gradient, inputs in
      inputs.pass(to: 0, gradient * right)
    }
  }

  /// Every element plus a number.
  public static func + (left: Variable, right: Float) -> Variable {
    recorded(left.value + right, left) { gradient, inputs in inputs.pass(to: 0, gradient) }
  }

  /// The sum of all elements, a scalar.
  public func sum() -> Variable {
    let shape = shape
    return Self.recorded(Tensor([value.sum()], shape: []), self) { gradient, inputs in
      inputs.pass(to: 0, Tensor(repeating: gradient.elements[0], shape: shape))
    }
  }
}
