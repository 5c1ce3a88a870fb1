public import Tensor

// Operands of different shapes broadcast; the gradient of a broadcast operand is summed back.

extension Variable {
  /// The elementwise sum; shapes broadcast.
  public static func + (left: Variable, right: Variable) -> Variable {
    recorded(left.value + right.value, left, right) { gradient, inputs in
      inputs.passSummed(to: 0, gradient)
      inputs.passSummed(to: 1, gradient)
    }
  }

  /// The elementwise difference; shapes broadcast.
  public static func - (left: Variable, right: Variable) -> Variable {
    recorded(left.value - right.value, left, right) { gradient, inputs in
      inputs.passSummed(to: 0, gradient)
      inputs.passSummed(to: 1, -gradient)
    }
  }

  /// The elementwise product; shapes broadcast.
  public static func * (left: Variable, right: Variable) -> Variable {
    let (a, b) = (left.value, right.value)
    return recorded(a * b, left, right) { gradient, inputs in
      inputs.passSummed(to: 0, gradient * b)
      inputs.passSummed(to: 1, gradient * a)
    }
  }

  /// The elementwise quotient; shapes broadcast.
  public static func / (left: Variable, right: Variable) -> Variable {
    let b = right.value
    let quotient = left.value / b
    return recorded(quotient, left, right) { gradient, inputs in
      let scaled = gradient / b
      inputs.passSummed(to: 0, scaled)
      inputs.passSummed(to: 1, -(scaled * quotient))
    }
  }

  /// Every element with the other sign.
  public static prefix func - (operand: Variable) -> Variable {
    recorded(-operand.value, operand) { gradient, inputs in inputs.pass(to: 0, -gradient) }
  }

  /// Adds to a variable: `x = x + y`.
  public static func += (left: inout Variable, right: Variable) { left = left + right }
  /// Subtracts from a variable: `x = x - y`.
  public static func -= (left: inout Variable, right: Variable) { left = left - right }
  /// Multiplies a variable: `x = x * y`.
  public static func *= (left: inout Variable, right: Variable) { left = left * right }
  /// Divides a variable: `x = x / y`.
  public static func /= (left: inout Variable, right: Variable) { left = left / right }
}

// MARK: - With numbers

extension Variable {
  /// Every element plus a number.
  public static func + (left: Variable, right: Float) -> Variable {
    recorded(left.value + right, left) { gradient, inputs in inputs.pass(to: 0, gradient) }
  }

  /// Every element plus a number.
  public static func + (left: Float, right: Variable) -> Variable { right + left }

  /// Every element less a number.
  public static func - (left: Variable, right: Float) -> Variable { left + -right }

  /// A number less every element.
  public static func - (left: Float, right: Variable) -> Variable {
    recorded(left - right.value, right) { gradient, inputs in inputs.pass(to: 0, -gradient) }
  }

  /// Every element times a number.
  public static func * (left: Variable, right: Float) -> Variable {
    recorded(left.value * right, left) { gradient, inputs in
      inputs.pass(to: 0, gradient * right)
    }
  }

  /// Every element times a number.
  public static func * (left: Float, right: Variable) -> Variable { right * left }

  /// Every element divided by a number.
  public static func / (left: Variable, right: Float) -> Variable {
    recorded(left.value / right, left) { gradient, inputs in
      inputs.pass(to: 0, gradient / right)
    }
  }

  /// A number divided by every element.
  public static func / (left: Float, right: Variable) -> Variable {
    let divisor = right.value
    let quotient = left / divisor
    return recorded(quotient, right) { gradient, inputs in
      inputs.pass(to: 0, -(gradient * quotient / divisor))
    }
  }
}

// MARK: - Choices

/// The larger of each two elements; shapes broadcast.
///
/// Where both are equal each gets half of the gradient.
public func maximum(_ left: Variable, _ right: Variable) -> Variable {
  extremum(left, right, maximum(left.value, right.value))
}

/// The smaller of each two elements; shapes broadcast.
///
/// Where both are equal each gets half of the gradient.
public func minimum(_ left: Variable, _ right: Variable) -> Variable {
  extremum(left, right, minimum(left.value, right.value))
}

private func extremum(_ left: Variable, _ right: Variable, _ result: Tensor<Float>) -> Variable {
  let (a, b) = (left.value, right.value)
  return Variable.recorded(result, left, right) { gradient, inputs in
    let (isA, isB) = (a .== result, b .== result)
    let share = select(isA .& isB, gradient * 0.5, gradient)
    inputs.passSummed(to: 0, select(isA, share, 0))
    inputs.passSummed(to: 1, select(isB, share, 0))
  }
}

/// The elements of `left` where the mask holds, those of `right` elsewhere; shapes broadcast.
public func select(_ mask: Tensor<Bool>, _ left: Variable, _ right: Variable) -> Variable {
  Variable.recorded(select(mask, left.value, right.value), left, right) { gradient, inputs in
    inputs.passSummed(to: 0, select(mask, gradient, 0))
    inputs.passSummed(to: 1, select(mask, 0, gradient))
  }
}
