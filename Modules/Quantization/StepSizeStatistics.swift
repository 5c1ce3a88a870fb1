public import Tensor

/// The spread of a layer's step sizes.
public struct StepSizeStatistics: Codable, Hashable, Sendable {
  /// The smallest.
  public var minimum: Float
  /// The mean.
  public var mean: Float
  /// The largest.
  public var maximum: Float

  /// The spread of some step sizes.
  public init(_ stepSizes: Tensor<Float>) {
    (minimum, maximum) = stepSizes.count == 0 ? (0, 0) : stepSizes.extrema()
    mean = stepSizes.count == 0 ? 0 : stepSizes.mean()
  }
}
