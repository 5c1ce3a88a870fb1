import Tensor

extension Variable {
  /// exp(scale · x) / Σ exp(scale · x) along an axis; see `Tensor.softmax`.
  ///
  ///     y = softmax(s x)      dx = s y ⊙ (dy − Σ dy ⊙ y)
  public func softmax(axis: Int = -1, scale: Float = 1) -> Variable {
    let y = value.softmax(axis: axis, scale: scale)
    return softmax(y, isLogarithm: false, axis, scale)
  }

  /// The logarithm of `softmax`, without its loss of small probabilities.
  ///
  ///     y = log softmax(s x)      dx = s (dy − exp(y) Σ dy)
  public func logSoftmax(axis: Int = -1, scale: Float = 1) -> Variable {
    let y = value.logSoftmax(axis: axis, scale: scale)
    return softmax(y, isLogarithm: true, axis, scale)
  }

  private func softmax(
    _ y: Tensor<Float>,
    isLogarithm: Bool,
    _ axis: Int,
    _ scale: Float
  ) -> Variable {
    .recorded(y, self) { gradient, inputs in
      Tensor.softmaxGradient(
        y,
        isLogarithm: isLogarithm,
        axis: axis,
        scale: scale,
        replacing: &gradient
      )
      inputs.pass(to: 0, gradient)
    }
  }
}
