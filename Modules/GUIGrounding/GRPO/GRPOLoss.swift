public import Autograd
public import Tensor

/// The loss of group-relative policy optimization, from logits: one operation.
///
/// - Shapes: logits [B × T × V]; loss [].
public func grpoLoss(
  logits: consuming Variable,
  batch: GRPOBatch,
  settings: GRPOSettings
) -> (loss: Variable, metrics: GRPOMetrics) {
  fatalError("not yet")
}

/// The loss of group-relative policy optimization, from the log-probabilities of the tokens.
///
/// - Shapes: logProbabilities and entropy [B × T]; loss [].
public func grpoLoss(
  logProbabilities: Variable,
  entropy: Tensor<Float>? = nil,
  batch: GRPOBatch,
  settings: GRPOSettings
) -> (loss: Variable, metrics: GRPOMetrics) {
  fatalError("not yet")
}
