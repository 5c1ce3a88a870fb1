import Tensor

/// Runs `body` without a tape and computes it again during the backward pass: memory for time.
///
/// What lies inside keeps nothing but `inputs` until the backward pass reaches it. Parameters may be
/// captured; every other differentiable value must be one of the inputs. The two runs of `body` must
/// compute the same: `Dropout` layers draw the same masks again and `BatchNorm` moves its statistics
/// in the first run alone; a random generator of your own is captured by value, not by reference.
///
/// - Source: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
public func checkpointed(
  _ inputs: [Variable],
  _ body: @escaping ([Variable]) -> Variable
) -> Variable {
  let draws = CheckpointDraws()
  let value = draws.recording {
    Recording.$isDeferred.withValue(Recording.isTraining) {
      withoutGradients { body(inputs.map { $0.detached() }).value }
    }
  }
  guard Recording.isOn else { return Variable(value) }
  let values = inputs.map(\.value)
  let isFollowed = inputs.map(\.isFollowed)
  // Recorded even when no input is followed, for the parameters inside.
  return Variable.recordedAlways(value, inputs: inputs) { gradient, inputs in
    let again = zip(values, isFollowed).map { $1 ? Variable(following: $0) : Variable($0) }
    let result = draws.replaying { Recording.$isOn.withValue(true) { body(again) } }
    guard result.isFollowed else { return }
    result.backward(from: gradient)
    for (index, input) in again.enumerated() {
      if let gradient = input.gradient { inputs.pass(to: index, gradient) }
    }
  }
}

/// Runs `body` on one input without a tape and computes it again during the backward pass.
public func checkpointed(
  _ input: Variable,
  _ body: @escaping (Variable) -> Variable
) -> Variable {
  checkpointed([input]) { body($0[0]) }
}
