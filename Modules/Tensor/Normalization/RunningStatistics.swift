/// Running means and variances of channels, which batch normalization follows in training and uses
/// for inference.
public struct RunningStatistics: Sendable, Equatable {
  /// The mean of each channel.
  public var mean: Tensor<Float>
  /// The variance of each channel, by the number of elements minus one.
  public var variance: Tensor<Float>

  /// Given statistics.
  ///
  /// - Shapes: both [C].
  public init(mean: Tensor<Float>, variance: Tensor<Float>) {
    expect(
      mean.rank == 1 && mean.shape == variance.shape,
      "running statistics: shapes differ, \(mean.shape) · \(variance.shape)"
    )
    self.mean = mean
    self.variance = variance
  }

  /// Means of 0 and variances of 1.
  public init(channelCount: Int) {
    self.init(mean: .zeros([channelCount]), variance: .ones([channelCount]))
  }

  /// Moves the statistics towards those of a batch: s ← (1 − momentum) · s + momentum · batch.
  package mutating func follow(_ batch: BatchStatistics, momentum: Float) {
    expect(
      batch.mean.shape == mean.shape,
      "running statistics: channels differ, \(batch.mean.shape) · \(mean.shape)"
    )
    let unbiased = Float(batch.count) / Float(max(batch.count - 1, 1))
    mean = mean * (1 - momentum) + batch.mean * momentum
    variance = variance * (1 - momentum) + batch.variance * (momentum * unbiased)
  }
}

/// What a batch says about its channels.
package struct BatchStatistics {
  /// The mean of each channel.
  package let mean: Tensor<Float>
  /// The variance of each channel, by the number of elements.
  package let variance: Tensor<Float>
  /// 1 / sqrt(variance + epsilon).
  package let reciprocalDeviation: Tensor<Float>
  /// The elements of a channel.
  package let count: Int
}
