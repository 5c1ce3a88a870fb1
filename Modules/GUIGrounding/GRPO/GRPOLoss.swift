public import Autograd
public import Tensor

/// The loss of group-relative policy optimization, from logits: one operation.
///
///     let batch = GRPOBatch(tokens: tokens, mask: mask, groups: groups, settings: settings)
///     let (loss, metrics) = grpoLoss(logits: model(prompts, tokens), batch: batch, settings: settings)
///     loss.backward()
///
/// The gradient is computed with the loss, from the same exponentials. The equations are those of
/// `GRPOTerms`; sums over tokens are in double, so the loss does not depend on their order.
///
/// - Shapes: logits [B × T × V], at the temperature of the importance ratio; loss [].
/// - Returns: the loss, and what to log.
/// - Complexity: O(B · T · V), rows on several threads.
public func grpoLoss(
  logits: Variable,
  batch: GRPOBatch,
  settings: GRPOSettings
) -> (loss: Variable, metrics: GRPOMetrics) {
  let shape = logits.shape
  expect(
    shape.rank == 3 && batch.tokens.shape == [shape[0], shape[1]],
    "grpo: a token for each row of logits is needed, \(shape) · \(batch.tokens.shape)"
  )
  check(batch, settings)
  checkTokens(of: batch, vocabulary: shape[2])
  var rows = TokenRows(logits: logits.value, tokens: batch.tokens, mask: batch.mask)
  let terms = GRPOTerms(logProbabilities: rows.logProbabilities, .init(batch), settings)
  var metrics = terms.metrics
  metrics.entropy = rows.entropies.reduce(0, +) / Double(max(1, metrics.tokenCount))
  let value = Tensor([Float(terms.loss)], shape: [])
  guard logits.isFollowed, Recording.isOn else { return (Variable(value), metrics) }
  let gradient = rows.takeGradient(slopes: terms.slopes)  // [B, T, V]
  let loss = Variable.custom(value, input: logits) { upstream in
    var result = gradient
    result.scale(by: upstream.item)
    return result
  }
  return (loss, metrics)
}

/// The loss of group-relative policy optimization, from the log-probabilities of the tokens.
///
/// For policies that compute them without logits at hand, or in chunks.
///
/// - Parameters:
///   - logProbabilities: ℓ [B × T]; what stands where the mask is 0 does not matter.
///   - entropy: the entropies of the tokens [B × T], for the log only.
///   - batch: the answers; their tokens are not looked at.
///   - settings: the constants.
/// - Shapes: loss [].
/// - Returns: the loss, and what to log.
public func grpoLoss(
  logProbabilities: Variable,
  entropy: Tensor<Float>? = nil,
  batch: GRPOBatch,
  settings: GRPOSettings
) -> (loss: Variable, metrics: GRPOMetrics) {
  let shape = logProbabilities.shape
  expect(
    shape.rank == 2 && batch.tokens.shape == shape && entropy.map { $0.shape == shape } ?? true,
    "grpo: a log-probability for each token is needed, \(shape) · \(batch.tokens.shape)"
  )
  check(batch, settings)
  let values = logProbabilities.value.withUnsafeElements { $0.map(Double.init) }
  let terms = GRPOTerms(logProbabilities: values, .init(batch), settings)
  var metrics = terms.metrics
  metrics.entropy = entropy.map { masked($0, by: batch.mask) / Double(max(1, metrics.tokenCount)) }
  let gradient = Tensor(terms.slopes.map { Float($0) }, shape: shape)
  let loss = Variable.custom(
    Tensor([Float(terms.loss)], shape: []),
    input: logProbabilities
  ) { upstream in
    var result = gradient
    result.scale(by: upstream.item)
    return result
  }
  return (loss, metrics)
}

/// The log-probabilities of sampled tokens and the entropies of the distributions they came from,
/// without a gradient: what the reference and the old policy contribute to a batch.
///
/// - Shapes: logits [B × T × V], tokens and mask [B × T], results [B × T], 0 where the mask is.
public func tokenLogProbabilities(
  logits: Tensor<Float>,
  tokens: Tensor<Int32>,
  mask: Tensor<Bool>
) -> (logProbabilities: Tensor<Float>, entropies: Tensor<Float>) {
  expect(
    logits.rank == 3 && tokens.shape == [logits.shape[0], logits.shape[1]]
      && mask.shape == tokens.shape,
    "token log-probabilities: shapes do not fit, \(logits.shape) · \(tokens.shape) · \(mask.shape)"
  )
  checkTokens(tokens, mask, vocabulary: logits.shape[2])
  let rows = TokenRows(logits: logits, tokens: tokens, mask: mask)
  return (
    Tensor(rows.logProbabilities.map { Float($0) }, shape: tokens.shape),
    Tensor(rows.entropies.map { Float($0) }, shape: tokens.shape)
  )
}

private func masked(_ values: Tensor<Float>, by mask: Tensor<Bool>) -> Double {
  values.withUnsafeElements { values in
    mask.withUnsafeElements { mask in
      values.indices.reduce(0.0) { mask[$1] ? $0 + Double(values[$1]) : $0 }
    }
  }
}

/// Stops where the parts of a batch do not fit together.
private func check(_ batch: GRPOBatch, _ settings: GRPOSettings) {
  let shape = batch.tokens.shape
  expect(
    shape.rank == 2 && batch.mask.shape == shape && batch.advantages.count == shape[0],
    "grpo: shapes do not fit, tokens \(shape), mask \(batch.mask.shape), "
      + "\(batch.advantages.count) advantages"
  )
  for other in [batch.oldLogProbabilities, batch.referenceLogProbabilities] {
    if let other {
      expect(
        other.shape == shape,
        "grpo: a log-probability for each token is needed, \(other.shape) · \(shape)"
      )
    }
  }
  expect(
    settings.beta == 0 || batch.referenceLogProbabilities != nil,
    "grpo: β = \(settings.beta) needs the log-probabilities of the reference policy"
  )
  expect(
    settings.maxCompletionLength > 0 && batch.microBatchCount > 0,
    "grpo: a completion of at most \(settings.maxCompletionLength) tokens, "
      + "\(batch.microBatchCount) micro-batches"
  )
}

private func checkTokens(of batch: GRPOBatch, vocabulary: Int) {
  checkTokens(batch.tokens, batch.mask, vocabulary: vocabulary)
}

private func checkTokens(_ tokens: Tensor<Int32>, _ mask: Tensor<Bool>, vocabulary: Int) {
  tokens.withUnsafeElements { tokens in
    mask.withUnsafeElements { mask in
      for place in tokens.indices where mask[place] {
        expect(
          tokens[place] >= 0 && tokens[place] < vocabulary,
          "grpo: token \(tokens[place]) of a vocabulary of \(vocabulary)"
        )
      }
    }
  }
}
