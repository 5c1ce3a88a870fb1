public import Tensor

/// Root mean square normalization: y = γ ⊙ x / √(mean(x²) + ε).
///
/// - Shapes: x and y [… × D], γ [D].
/// - Source: Zhang and Sennrich 2019, equation 4.
public final class RMSNorm {
  /// γ [D].
  public let weight: Tensor<Float>
  /// ε, inside the root.
  public let epsilon: Float

  /// A norm with the scale γ [D].
  public init(weight: Tensor<Float>, epsilon: Float) {
    self.weight = weight
    self.epsilon = epsilon
  }

  /// The normalized rows.
  public func callAsFunction(_ input: Tensor<Float>) -> Tensor<Float> {
    input.rmsNormalized(weight: weight, epsilon: epsilon)
  }
}
