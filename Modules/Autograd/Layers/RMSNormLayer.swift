public import Tensor

/// Root mean square normalization: y = (weight + weightOffset) ⊙ x / √(mean(x²) + epsilon).
///
/// - Shapes: weight [N] or none, x and y [… × N].
/// - Source: Zhang and Sennrich 2019, "Root Mean Square Layer Normalization", equation 4.
public final class RMSNorm: Module, Layer {
  /// The scale of each column [N], less `weightOffset`; nil for a scale of 1.
  public let weight: Parameter?
  /// N.
  public let width: Int
  /// What is added to the mean square.
  public let epsilon: Float
  /// 1 where the weight is stored as its difference from 1, as in Gemma; else 0.
  public let weightOffset: Float

  /// A layer over a weight [N].
  public init(weight: Parameter, epsilon: Float = .ulpOfOne, weightOffset: Float = 0) {
    expect(weight.shape.rank == 1, "rms norm: one scale a column is needed, found \(weight.shape)")
    self.weight = weight
    width = weight.count
    self.epsilon = epsilon
    self.weightOffset = weightOffset
  }

  /// A layer of scales 1.
  ///
  /// - Parameters:
  ///   - width: N, the extent of the last axis.
  ///   - epsilon: what is added to the mean square; by default torch's, 2⁻²³. Most language models
  ///     take 1e-5 or 1e-6.
  ///   - isAffine: whether there is a weight.
  ///   - weightOffset: 1 for Gemma's form, whose weight starts at 0.
  public init(
    width: Int,
    epsilon: Float = .ulpOfOne,
    isAffine: Bool = true,
    weightOffset: Float = 0
  ) {
    expect(width > 0, "rms norm: a width of \(width)")
    weight = isAffine ? Parameter(Tensor(repeating: 1 - weightOffset, shape: [width])) : nil
    self.width = width
    self.epsilon = epsilon
    self.weightOffset = weightOffset
  }

  /// The normalized rows without gradients; of the same shape, [… × N].
  public func callAsFunction(_ input: Tensor<Float>) -> Tensor<Float> {
    expectLastAxis(input.shape, width, "rms norm")
    return input.rmsNormalized(
      weight: weight?.value,
      epsilon: epsilon,
      weightOffset: weightOffset
    )
  }

  /// The normalized rows; of the same shape, [… × N].
  public func callAsFunction(_ input: Variable) -> Variable {
    expectLastAxis(input.shape, width, "rms norm")
    return input.rmsNormalized(
      weight: weight?.variable,
      epsilon: epsilon,
      weightOffset: weightOffset
    )
  }
}
