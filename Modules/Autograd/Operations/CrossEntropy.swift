public import Tensor

/// The cross-entropy of rows of logits with their targets: log Σ exp(x) − x of the target.
///
/// The gradient is computed with the loss, while a row is in cache, and lies where the logits lay if
/// nobody else refers to them: pass the expression, or `consume` the variable. The mean is over the
/// targets that are not ignored; without any it is NaN, as in torch.
///
/// - Shapes: logits [… × V], targets […] of 0 ..< V or the ignored target; result [], or […] for
///   no reduction.
public func crossEntropy(
  logits: consuming Variable,
  targets: Tensor<Int32>,
  reduction: LossReduction = .mean,
  options: CrossEntropyOptions = CrossEntropyOptions()
) -> Variable {
  let node = Recording.isOn ? logits.node : nil
  var buffer = logits.value
  _ = consume logits
  let count = targets.countOfTargets(ignoring: options.ignoredTarget)
  guard node != nil else {
    let losses = buffer.crossEntropy(targets: targets, options: options)
    return Variable(reduction(losses, count: count))
  }
  let losses = buffer.replaceByCrossEntropyGradient(
    targets: targets,
    options: options,
    factors: .all(reduction.factor(count: count))
  )
  let value = reduction(losses, count: count)
  var saved: Tensor<Float>? = consume buffer
  return .recorded(value, Variable(value, node: node)) { gradient, inputs in
    guard var result = saved else { return }
    if inputs.isLastWalk { saved = nil }
    result.scaleRows(by: gradient)
    inputs.pass(to: 0, result)
  }
}

/// The log-probabilities of the targets, the logarithm of softmax at them; 0 for ignored targets.
///
/// - Shapes: logits [… × V], targets […] of 0 ..< V or the ignored target, result […].
public func logProbabilities(
  logits: consuming Variable,
  targets: Tensor<Int32>,
  ignoredTarget: Int32 = -100
) -> Variable {
  let options = CrossEntropyOptions(ignoredTarget: ignoredTarget)
  return -crossEntropy(logits: logits, targets: targets, reduction: .none, options: options)
}

/// `crossEntropy` of the logits hidden · weightᵀ, which are never all in memory at once.
///
/// The loss and all gradients are computed together, a chunk of rows at a time: for 2048 rows and
/// 8192 classes that takes 16 MiB instead of 64, and the same arithmetic. Only without reduction
/// the backward pass computes the logits again, since it learns the rows' factors then.
///
/// - Shapes: hidden [… × D], weight [V × D], targets […] of 0 ..< V or the ignored target; result
///   [], or […] for no reduction.
/// - Source: Hsu et al. 2024, "Liger Kernel", section 3.2.
public func linearCrossEntropy(
  hidden: Variable,
  weight: Variable,
  targets: Tensor<Int32>,
  reduction: LossReduction = .mean,
  options: CrossEntropyOptions = CrossEntropyOptions()
) -> Variable {
  let (shape, matrix) = (hidden.shape, weight.value)
  expect(
    shape.rank > 0 && matrix.rank == 2 && matrix.shape[1] == shape[-1]
      && Shape(shape.extents.dropLast()) == targets.shape,
    "linear cross-entropy: shapes do not fit, \(shape) · \(matrix.shape)ᵀ · \(targets.shape)"
  )
  targets.check(
    below: matrix.shape[0],
    "linear cross-entropy",
    of: [targets.count, matrix.shape[0]],
    ignoring: options.ignoredTarget
  )
  let x = hidden.value.reshaped(to: [targets.count, shape[-1]])
  func run(_ factors: RowFactors, _ wanted: (input: Bool, weight: Bool)) -> LinearCrossEntropy {
    LinearCrossEntropy(
      x,
      weight: matrix,
      targets: targets,
      options: options,
      factors: factors,
      wanted: wanted
    )
  }
  let count = targets.countOfTargets(ignoring: options.ignoredTarget)
  let isOn = Recording.isOn && reduction != .none
  let wanted = (input: isOn && hidden.node != nil, weight: isOn && weight.node != nil)
  var parts: LinearCrossEntropy? = run(.all(reduction.factor(count: count)), wanted)
  let losses = (parts?.losses ?? .zeros([0])).reshaped(to: targets.shape)
  let value = reduction(losses, count: count)
  return .recorded(value, hidden, weight) { gradient, inputs in
    let result: LinearCrossEntropy?
    if reduction == .none {
      result = run(.each(gradient), (inputs.wants(0), inputs.wants(1)))
    } else {
      result = parts
      if inputs.isLastWalk { parts = nil }
    }
    guard var result else { return }
    let factor = reduction == .none ? 1 : gradient.item
    if let dx = result.takeInputGradient(times: factor) {
      inputs.pass(to: 0, dx.reshaped(to: shape))
    }
    if let dw = result.takeWeightGradient(times: factor) { inputs.pass(to: 1, dw) }
  }
}
