public import Tensor

extension Variable {
  /// Zeros in the place of elements that are drawn with probability `rate`; the others divided by
  /// 1 − rate, so that the expectation stays.
  ///
  /// The mask is not stored: the backward pass draws it again from its own copy of the generator.
  ///
  /// - Parameters:
  ///   - rate: in [0, 1]; 0 returns the variable itself.
  ///   - generator: is advanced by one draw whatever the size.
  /// - Returns: a variable of the same shape.
  public func dropout(_ rate: Float, using generator: inout Philox) -> Variable {
    guard rate != 0 else { return self }
    let mask = Philox(seed: generator.next())
    return Self.recorded(value.droppingOut(rate, mask: mask), self) { gradient, inputs in
      inputs.pass(to: 0, gradient.droppingOut(rate, mask: mask))
    }
  }
}
