import Autograd
import Tensor

/// The loss of group-relative policy optimization for a native policy.
struct PolicyImprovement {
  let policy: NativeGroundingPolicy
  /// What the policy must stay near; nil where the distance does not count.
  let reference: NativeGroundingPolicy?
  let settings: GRPOSettings
  let temperature: Double

  /// The loss of responses, from what the policy computed of their views.
  ///
  /// Log-probabilities are those of the distribution that the responses were drawn from. Where the
  /// responses are used again, `experience` keeps them as they are now.
  func loss(
    _ experience: inout PolicyExperience,
    batch: PromptBatch,
    context: PolicyContext,
    keepsOld: Bool
  ) -> (loss: Variable, metrics: GRPOMetrics) {
    let logits = scaled(policy.logits(context, responses: experience.tokens))
    if keepsOld, experience.oldLogProbabilities == nil {
      experience.oldLogProbabilities = logProbabilities(logits, experience)
    }
    let rows = GRPOBatch(
      tokens: experience.tokens,
      mask: experience.mask,
      groups: experience.advantages,
      settings: settings,
      oldLogProbabilities: experience.oldLogProbabilities,
      referenceLogProbabilities: referenceLogProbabilities(experience, batch)
    )
    return grpoLoss(logits: logits, batch: rows, settings: settings)
  }

  private func referenceLogProbabilities(
    _ experience: PolicyExperience,
    _ batch: PromptBatch
  ) -> Tensor<Float>? {
    guard let reference, settings.beta != 0 else { return nil }
    return withoutGradients {
      let context = batch.context(of: reference)
      let logits = reference.logits(context, responses: experience.tokens)
      return logProbabilities(scaled(logits), experience)
    }
  }

  private func logProbabilities(
    _ logits: Variable,
    _ experience: PolicyExperience
  ) -> Tensor<Float> {
    tokenLogProbabilities(
      logits: logits.value,
      tokens: experience.tokens,
      mask: experience.mask
    ).logProbabilities
  }

  private func scaled(_ logits: Variable) -> Variable {
    temperature == 1 ? logits : logits * Float(1 / temperature)
  }
}

extension TrainingStep {
  /// Logs what the groups of a step were worth.
  mutating func measure(_ groups: [ResponseGroup], _ advantages: GroupAdvantages) {
    func mean(_ values: [Double]) -> Float {
      let finite = values.filter(\.isFinite)
      return Float(finite.reduce(0, +) / Double(max(finite.count, 1)))
    }
    let samples = groups.flatMap(\.samples)
    measure("reward", Float(advantages.rewardMean))
    measure("reward deviation", Float(advantages.rewardDeviation))
    for name in groups.first.map({ $0.terms.keys.sorted() }) ?? [] {
      let values = groups.flatMap { $0.terms[name] ?? [] }.filter(\.isFinite)
      let average = Double(mean(values))
      measure("reward: \(name)", Float(average))
      let variance = mean(values.map { ($0 - average) * ($0 - average) })
      measure("reward deviation: \(name)", variance.squareRoot())
    }
    let judged = groups.filter { $0.views.allSatisfy(\.example.target.isScorable) }
    measure("sampled accuracy", mean(judged.flatMap { $0.hits.map { $0 ? 1 : 0 } }))
    measure("format", mean(samples.map { $0.formatOK ? 1 : 0 }))
    measure("dead groups", Float(advantages.deadGroupShare))
    measure("truncated", mean(samples.map { $0.truncated ? 1 : 0 }))
  }

  /// Logs what a step of policy optimization did.
  mutating func measure(_ metrics: GRPOMetrics) {
    if let entropy = metrics.entropy { measure("entropy", Float(entropy)) }
    if let kl = metrics.kl { measure("kl", Float(kl)) }
    measure("low clip", Float(metrics.lowClipShare))
    measure("high clip", Float(metrics.highClipShare))
    measure("ratio", Float(metrics.ratio))
    measure("completion length", Float(metrics.completionLength))
  }
}
