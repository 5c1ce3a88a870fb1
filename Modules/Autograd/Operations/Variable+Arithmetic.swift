import Tensor

// Both operands have one shape.

extension Variable {
  /// The elementwise sum of two variables of one shape.
  public static func + (left: Variable, right: Variable) -> Variable {
    recorded(left.value + right.value, left, right) { gradient, inputs in
      inputs.pass(to: 0, gradient)
      inputs.pass(to: 1, gradient)
    }
  }

  /// The elementwise difference of two variables of one shape.
  public static func - (left: Variable, right: Variable) -> Variable {
    recorded(left.value - right.value, left, right) { gradient, inputs in
      inputs.pass(to: 0, gradient)
      inputs.pass(to: 1, gradient * -1)
    }
  }

  /// The elementwise product of two variables of one shape.
  public static func * (left: Variable, right: Variable) -> Variable {
    let (a, b) = (left.value, right.value)
    return recorded(a * b, left, right) { gradient, inputs in
      inputs.pass(to: 0, gradient * b)
      inputs.pass(to: 1, gradient * a)
    }
  }

  /// The elementwise quotient of two variables of one shape.
  public static func / (left: Variable, right: Variable) -> Variable {
    let b = right.value
    let quotient = left.value / b
    return recorded(quotient, left, right) { gradient, inputs in
      let scaled = gradient / b
      inputs.pass(to: 0, scaled)
      inputs.pass(to: 1, scaled * quotient * -1)
    }
  }

  /// Every element with the other sign.
  public static prefix func - (operand: Variable) -> Variable { operand * -1 }
}

// MARK: - With numbers

extension Variable {
  /// Every element plus a number.
  public static func + (left: Variable, right: Float) -> Variable {
    recorded(left.value + right, left) { gradient, inputs in inputs.pass(to: 0, gradient) }
  }

  /// Every element times a number.
  public static func * (left: Variable, right: Float) -> Variable {
    recorded(left.value * right, left) { gradient, inputs in
      inputs.pass(to: 0, gradient * right)
    }
  }

  /// Every element times a number.
  public static func * (left: Float, right: Variable) -> Variable { right * left }
}
