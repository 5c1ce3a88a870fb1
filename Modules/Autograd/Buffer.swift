public import Tensor

/// A tensor that belongs to a module's state but is not trained: running statistics.
///
/// A buffer is saved and loaded with the parameters, and found by the same reflection.
public final class Buffer {
  /// The tensor; its shape never changes.
  public var value: Tensor<Float> {
    get { stored }
    set {
      expect(
        newValue.shape == stored.shape,
        "buffer: the shape is fixed, \(stored.shape) · \(newValue.shape)"
      )
      stored = newValue
    }
  }
  private var stored: Tensor<Float>

  /// A buffer with a start value.
  public init(_ value: Tensor<Float>) { stored = value }

  /// The extents.
  public var shape: Shape { stored.shape }
  /// The number of elements.
  public var count: Int { stored.count }

  /// Changes the value in place.
  package func update<Result>(_ body: (inout Tensor<Float>) -> Result) -> Result { body(&stored) }
}
