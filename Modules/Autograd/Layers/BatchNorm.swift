import Tensor

/// Batch normalization of the channels of [N × C × …], with running statistics for inference.
///
/// While `isTraining` the batch's own statistics count, and the running ones follow them; else the
/// running ones count. The names are PyTorch's: weight, bias, running_mean, running_var.
///
/// - Source: Ioffe and Szegedy 2015, "Batch Normalization".
public final class BatchNorm: Layer, TrainingDependent {
  /// The scale of each channel [C].
  public let weight: Parameter
  /// The shift of each channel [C].
  public let bias: Parameter
  /// The running mean of each channel [C].
  public let runningMean: Buffer
  /// The running variance of each channel [C].
  public let runningVariance: Buffer
  /// How far the running statistics move towards a batch's.
  public let momentum: Float
  /// What is added to the variance.
  public let epsilon: Float
  /// Whether the batch's own statistics count; true at first.
  public var isTraining = true

  /// A layer of weights 1, shifts 0, means 0 and variances 1.
  ///
  /// The defaults are PyTorch's: a momentum of 0.1, an epsilon of 1e-5.
  public init(channels: Int, momentum: Float = 0.1, epsilon: Float = 1e-5) {
    weight = Parameter(.ones([channels]))
    bias = Parameter(.zeros([channels]))
    runningMean = Buffer(.zeros([channels]))
    runningVariance = Buffer(.ones([channels]))
    self.momentum = momentum
    self.epsilon = epsilon
  }

  /// Names the statistics as PyTorch does.
  public func visitParameters(_ visitor: ModuleVisitor) {
    visitor.visit("weight", weight)
    visitor.visit("bias", bias)
    visitor.visit("running_mean", runningMean)
    visitor.visit("running_var", runningVariance)
  }

  /// The normalized input; of the same shape, [N × C × …].
  public func callAsFunction(_ input: Variable) -> Variable {
    var statistics = RunningStatistics(mean: runningMean.value, variance: runningVariance.value)
    guard isTraining else {
      return batchNorm(
        input,
        weight: weight.variable,
        bias: bias.variable,
        using: statistics,
        epsilon: epsilon
      )
    }
    let output = batchNorm(
      input,
      weight: weight.variable,
      bias: bias.variable,
      updating: &statistics,
      momentum: momentum,
      epsilon: epsilon
    )
    if CheckpointDraws.isReplaying { return output }
    runningMean.value = statistics.mean
    runningVariance.value = statistics.variance
    return output
  }
}
