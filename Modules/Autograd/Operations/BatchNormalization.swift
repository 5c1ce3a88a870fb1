public import Tensor

/// weight ⊙ (x − mean) / √(variance + epsilon) + bias over the batch, channel by channel.
///
/// With `statistics` the running ones follow the batch: r ← (1 − momentum) · r + momentum · batch,
/// the variance by n − 1.
///
/// - Shapes: x [N × C × …] with more than one element in a channel; weight, bias [C] or nil.
/// - Source: Ioffe and Szegedy 2015, "Batch Normalization".
public func batchNorm(
  _ x: Variable,
  weight: Variable? = nil,
  bias: Variable? = nil,
  updating statistics: inout RunningStatistics,
  momentum: Float = 0.1,
  epsilon: Float = 1e-5
) -> Variable {
  let (input, w) = (x.value, weight?.value)
  let (output, batch) = input.batchNormalized(weight: w, bias: bias?.value, epsilon: epsilon)
  statistics.follow(batch, momentum: momentum)
  return recordedNormalization(output, x, weight, bias) { gradient in
    input.batchNormGradients(gradient, weight: w, statistics: batch)
  }
}

/// Batch normalization with given statistics: what a trained model computes.
///
/// - Shapes: x [N × C × …]; weight, bias [C] or nil; statistics of C channels.
public func batchNorm(
  _ x: Variable,
  weight: Variable? = nil,
  bias: Variable? = nil,
  using statistics: RunningStatistics,
  epsilon: Float = 1e-5
) -> Variable {
  let (input, w) = (x.value, weight?.value)
  let output = input.batchNormalized(
    weight: w,
    bias: bias?.value,
    using: statistics,
    epsilon: epsilon
  )
  return recordedNormalization(output, x, weight, bias) { gradient in
    input.batchNormGradients(gradient, weight: w, using: statistics, epsilon: epsilon)
  }
}

/// weight ⊙ (x − mean) / √(variance + epsilon) + bias over groups of channels of each image.
///
/// - Shapes: x [N × C × …] with C divisible by `groups`; weight, bias [C] or nil.
/// - Source: Wu and He 2018, "Group Normalization".
public func groupNorm(
  _ x: Variable,
  groups: Int,
  weight: Variable? = nil,
  bias: Variable? = nil,
  epsilon: Float = 1e-5
) -> Variable {
  let (input, w) = (x.value, weight?.value)
  let (output, statistics) = input.groupNormalized(
    groups: groups,
    weight: w,
    bias: bias?.value,
    epsilon: epsilon
  )
  return recordedNormalization(output, x, weight, bias) { gradient in
    input.groupNormGradients(gradient, weight: w, statistics: statistics)
  }
}

/// Records a normalization whose gradients are computed together.
private func recordedNormalization(
  _ output: Tensor<Float>,
  _ x: Variable,
  _ weight: Variable?,
  _ bias: Variable?,
  _ gradients: @escaping (Tensor<Float>) -> NormalizationGradients
) -> Variable {
  let none = Variable(Tensor.zeros([0]))
  return Variable.recorded(output, x, weight ?? none, bias ?? none) { gradient, inputs in
    let found = gradients(gradient)
    inputs.pass(to: 0, found.input)
    inputs.pass(to: 1, found.weight)
    inputs.pass(to: 2, found.bias)
  }
}
