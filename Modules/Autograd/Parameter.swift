public import Tensor

/// A tensor that training changes: the value, its gradient, and whether it is trained.
///
/// A parameter is an object: layers that share one (tied weights) share its value and its gradient.
public final class Parameter {
  /// The tensor; its shape never changes.
  public var value: Tensor<Float> {
    get { stored }
    set {
      expect(
        newValue.shape == stored.shape,
        "parameter: the shape is fixed, \(stored.shape) · \(newValue.shape)"
      )
      stored = newValue
    }
  }
  private var stored: Tensor<Float>
  /// Whether `backward()` computes a gradient and an optimizer changes the value.
  public var isTrainable: Bool
  private let leaf: TapeNode

  /// A parameter with a start value.
  public init(_ value: Tensor<Float>, isTrainable: Bool = true) {
    stored = value
    self.isTrainable = isTrainable
    leaf = TapeNode(leafOf: value.shape)
  }

  /// The extents.
  public var shape: Shape { stored.shape }
  /// The number of elements.
  public var count: Int { stored.count }

  /// The value as operations take it: followed while the parameter is trainable.
  @inline(__always)
  public var variable: Variable { Variable(stored, node: isTrainable ? leaf : nil) }

  /// The sum of the gradients since the last `clearGradient()`; nil before the first.
  public var gradient: Tensor<Float>? {
    get { leaf.gradient }
    set {
      expect(
        newValue == nil || newValue?.shape == shape,
        "parameter: the gradient does not fit, \(newValue?.shape ?? []) · \(shape)"
      )
      leaf.gradient = newValue
    }
  }

  /// Forgets the gradient, and its memory.
  public func clearGradient() { leaf.gradient = nil }

  /// Changes the value in place, together with the gradient that drives the change.
  package func update<Result>(
    _ body: (_ value: inout Tensor<Float>, _ gradient: inout Tensor<Float>?) -> Result
  ) -> Result {
    body(&stored, &leaf.gradient)
  }
}
