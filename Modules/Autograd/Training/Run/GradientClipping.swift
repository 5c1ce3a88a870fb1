import Tensor

/// Bounds the magnitude of every element of the gradients of all parameters, in place.
///
///     g ← min(max(g, −maximum), maximum)
///
/// Unlike `clipGradients(of:to:)` this changes the direction. Infinite elements become ±maximum; NaN
/// stays NaN, so that a broken gradient is still found.
///
/// - Parameters:
///   - parameters: the parameters; those without a gradient are left out.
///   - maximum: the largest magnitude of an element, above 0.
/// - Source: Mikolov 2012, "Statistical Language Models Based on Neural Networks", section 3.2.2; as
///   `torch.nn.utils.clip_grad_value_`.
/// - Complexity: one pass over the gradients.
public func clipGradientElements(of parameters: [Parameter], to maximum: Float) {
  expect(maximum > 0, "clip gradients: the largest element is \(maximum), above 0 is needed")
  for parameter in parameters {
    parameter.update { _, gradient -> Void in gradient?.clamp(to: -maximum...maximum) }
  }
}
