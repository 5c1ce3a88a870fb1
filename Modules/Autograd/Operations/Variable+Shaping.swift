public import Tensor

extension Variable {
  /// The same elements under another shape of the same count; shares memory.
  public func reshaped(to newShape: Shape) -> Variable {
    let shape = shape
    return Self.recorded(value.reshaped(to: newShape), self) { gradient, inputs in
      inputs.pass(to: 0, gradient.reshaped(to: shape))
    }
  }
}
