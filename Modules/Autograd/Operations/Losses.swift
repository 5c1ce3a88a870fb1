public import Tensor

// Losses of elements read their operands once for the value and once for the gradient; nothing is
// stored between. Predictions and targets have the same shape; the result is [] or, without
// reduction, one loss for each element or row. The mean of nothing is NaN.

/// (x − t)².
public func meanSquaredError(
  predictions: Variable,
  targets: Variable,
  reduction: LossReduction = .mean
) -> Variable {
  elementwise(ElementLoss(.squared), predictions, targets, reduction)
}

/// |x − t|, whose gradient at 0 is 0.
public func meanAbsoluteError(
  predictions: Variable,
  targets: Variable,
  reduction: LossReduction = .mean
) -> Variable {
  elementwise(ElementLoss(.absolute), predictions, targets, reduction)
}

/// d²/2 for |d| ≤ delta, delta · (|d| − delta/2) beyond, d = x − t.
///
/// - Source: Huber 1964, "Robust Estimation of a Location Parameter".
public func huberLoss(
  predictions: Variable,
  targets: Variable,
  delta: Float = 1,
  reduction: LossReduction = .mean
) -> Variable {
  expect(delta > 0, "Huber loss: delta must be positive, found \(delta)")
  return elementwise(ElementLoss(.huber, parameter: delta), predictions, targets, reduction)
}

/// d²/(2 beta) for |d| < beta, |d| − beta/2 beyond, d = x − t; |d| for beta 0.
///
/// - Source: Girshick 2015, "Fast R-CNN", equation 3.
public func smoothL1Loss(
  predictions: Variable,
  targets: Variable,
  beta: Float = 1,
  reduction: LossReduction = .mean
) -> Variable {
  expect(beta >= 0, "smooth L1 loss: beta must not be negative, found \(beta)")
  guard beta > 0 else {
    return meanAbsoluteError(predictions: predictions, targets: targets, reduction: reduction)
  }
  return huberLoss(predictions: predictions, targets: targets, delta: beta, reduction: reduction)
    * (1 / beta)
}

/// −w t log σ(x) − (1 − t) log(1 − σ(x)), finite for all finite x; σ is the sigmoid.
///
/// - Parameters:
///   - logits: x.
///   - targets: probabilities t, constants.
///   - positiveWeight: w, which broadcasts to the logits, say [C]; nil for 1.
///   - reduction: what becomes of the losses.
/// - Returns: the losses, or their sum or mean.
/// - Shapes: logits and targets alike.
public func binaryCrossEntropy(
  logits: Variable,
  targets: Tensor<Float>,
  positiveWeight: Tensor<Float>? = nil,
  reduction: LossReduction = .mean
) -> Variable {
  let weights = positiveWeight.map { $0.shape == logits.shape ? $0 : .zeros(logits.shape) + $0 }
  let loss = ElementLoss(.binary, weights: weights)
  if let weights {
    expect(
      weights.shape == logits.shape,
      "binary cross-entropy: the weight does not broadcast, \(logits.shape) · \(weights.shape)"
    )
  }
  return elementwise(loss, logits, Variable(targets), reduction)
}

/// max(0, 1 − t x) for targets of −1 and 1.
public func hingeLoss(
  scores: Variable,
  targets: Tensor<Float>,
  reduction: LossReduction = .mean
) -> Variable {
  elementwise(ElementLoss(.hinge), scores, Variable(targets), reduction)
}

/// The targets' gradient is the predictions' with the other sign, where it is wanted.
private func elementwise(
  _ loss: ElementLoss,
  _ predictions: Variable,
  _ targets: Variable,
  _ reduction: LossReduction
) -> Variable {
  let (x, t) = (predictions.value, targets.value)
  expect(x.shape == t.shape, "\(loss.kind) loss: shapes differ, \(x.shape) · \(t.shape)")
  let value =
    reduction == .none
    ? loss.losses(x, t) : reduction.total(loss.sum(x, t), count: x.count)
  let factor = reduction.factor(count: x.count)
  return .recorded(value, predictions, targets) { upstream, inputs in
    let gradient = loss.gradient(x, t, upstream: &upstream, factor: factor)
    inputs.pass(to: 1, -gradient)
    inputs.pass(to: 0, gradient)
  }
}

// MARK: - Distributions

/// Σ t (log t − x) of each row: the divergence of the distribution whose logarithm is x from t.
///
/// The mean is over rows, torch's `batchmean`; terms with t = 0 are 0.
///
/// - Shapes: logProbabilities and targets [… × V]; result [], or […] for no reduction.
public func klDivergence(
  logProbabilities: Variable,
  targets: Tensor<Float>,
  reduction: LossReduction = .mean
) -> Variable {
  divergence(ElementLoss(.divergence), logProbabilities, targets, reduction)
}

/// `klDivergence` from targets that are given by their logarithms.
public func klDivergence(
  logProbabilities: Variable,
  logTargets: Tensor<Float>,
  reduction: LossReduction = .mean
) -> Variable {
  divergence(ElementLoss(.logDivergence), logProbabilities, logTargets, reduction)
}

private func divergence(
  _ loss: ElementLoss,
  _ logProbabilities: Variable,
  _ targets: Tensor<Float>,
  _ reduction: LossReduction
) -> Variable {
  let x = logProbabilities.value
  expect(
    x.rank > 0 && x.shape == targets.shape,
    "divergence: shapes differ, \(x.shape) · \(targets.shape)"
  )
  let rows = Shape(x.shape.extents.dropLast())
  let sums = loss.sums(x, targets, width: x.shape[-1])
  let losses =
    sums.isEmpty ? Tensor<Float>.zeros(rows) : Tensor(sums.map { Float($0) }, shape: rows)
  let value = reduction(losses, count: rows.count)
  let factor = reduction.factor(count: rows.count)
  return .recorded(value, logProbabilities) { upstream, inputs in
    inputs.pass(to: 0, loss.gradient(x, targets, upstream: &upstream, factor: factor))
  }
}

/// −x of each row's target, for log-probabilities x.
///
/// The mean is over the targets that are not ignored.
///
/// - Shapes: logProbabilities [… × V], targets […] of 0 ..< V or the ignored target; result [], or
///   […] for no reduction.
public func negativeLogLikelihood(
  logProbabilities: Variable,
  targets: Tensor<Int32>,
  reduction: LossReduction = .mean,
  ignoredTarget: Int32 = -100
) -> Variable {
  let options = CrossEntropyOptions(ignoredTarget: ignoredTarget)
  let x = logProbabilities.value
  x.checkTargets(targets, "negative log-likelihood", options)
  let (shape, classes) = (x.shape, x.shape[-1])
  let places = targets.elements.enumerated().compactMap { row, target in
    target == ignoredTarget ? nil : (row: row, index: row * classes + Int(target))
  }
  var losses = Tensor<Float>.zeros(targets.shape)
  losses.withUnsafeMutableElements { losses in
    x.withUnsafeElements { x in
      for place in places { losses[place.row] = -x[place.index] }
    }
  }
  let value = reduction(losses, count: places.count)
  let factor = reduction.factor(count: places.count)
  return .recorded(value, logProbabilities) { upstream, inputs in
    var gradient = Tensor<Float>.zeros(shape)
    gradient.withUnsafeMutableElements { gradient in
      upstream.withUnsafeElements { upstream in
        for place in places {
          gradient[place.index] = -factor * upstream[reduction == .none ? place.row : 0]
        }
      }
    }
    inputs.pass(to: 0, gradient)
  }
}

// MARK: - Directions

/// x · y / (|x| |y|) along the last axis, sizes of at least epsilon.
///
/// - Shapes: x and y [… × N], result […].
public func cosineSimilarity(_ x: Variable, _ y: Variable, epsilon: Float = 1e-8) -> Variable {
  let (a, b) = (x.value, y.value)
  let cosines = a.cosineSimilarity(to: b, epsilon: epsilon)
  return .recorded(cosines, x, y) { gradient, inputs in
    let g = gradient
    inputs.pass(to: 0, a.cosineGradient(to: b, epsilon: epsilon, g))
    inputs.pass(to: 1, b.cosineGradient(to: a, epsilon: epsilon, g))
  }
}

/// 1 − cos where the target is 1, max(0, cos − margin) where it is −1.
///
/// - Shapes: x and y [… × N], targets […]; result [], or […] for no reduction.
public func cosineEmbeddingLoss(
  _ x: Variable,
  _ y: Variable,
  targets: Tensor<Float>,
  margin: Float = 0,
  reduction: LossReduction = .mean
) -> Variable {
  let cosine = cosineSimilarity(x, y)
  expect(
    cosine.shape == targets.shape,
    "cosine embedding loss: a target for each row is needed, \(x.shape) · \(targets.shape)"
  )
  let above = maximum(cosine - margin, Variable(0))
  let losses = select(targets .> 0, 1 - cosine, above)
  switch reduction {
  case .none: return losses
  case .sum: return losses.sum()
  case .mean: return losses.mean()
  }
}
