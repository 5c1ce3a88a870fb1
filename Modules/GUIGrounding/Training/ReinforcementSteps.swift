import Autograd
import Tensor

/// The steps of a run by rewards, and what they hand on to each other.
final class ReinforcementSteps {
  private let policy: NativeGroundingPolicy
  private let examples: GroundingExamples
  private let options: ReinforcementOptions
  private let collector: ResponseCollector
  private let improvement: PolicyImprovement
  /// Which examples each rollout takes.
  private var sampler: BatchSampler
  /// The responses that later steps use again.
  private var kept: KeptResponses?

  private static let keptName = "responses"

  init(_ training: ReinforcementTraining, _ reference: NativeGroundingPolicy?) {
    policy = training.policy
    examples = training.examples
    options = training.options
    let settings = options.settings(for: policy)
    collector = ResponseCollector(
      policy: policy,
      rewards: training.rewards,
      groupSize: settings.groupSize,
      temperature: options.temperature
    )
    improvement = PolicyImprovement(
      policy: policy,
      reference: reference,
      settings: settings,
      temperature: options.temperature
    )
    sampler = BatchSampler(
      count: examples.count,
      batchSize: options.promptCount,
      order: .shuffled(seed: options.seed),
      dropsRemainder: true
    )
  }

  /// The loss of a step: of new responses, or of those of the step before.
  func loss(_ step: inout TrainingStep) throws -> Variable {
    let (rollout, update) = (step.step - 1).quotientAndRemainder(
      dividingBy: options.updatesPerRollout
    )
    if update > 0, let kept { return try loss(of: kept, &step) }
    return try loss(ofRollout: rollout, &step)
  }

  private func loss(of kept: KeptResponses, _ step: inout TrainingStep) throws -> Variable {
    let views = try kept.examples.map { PromptView(try examples.example($0), for: policy) }
    let batch = try PromptBatch(views, for: policy)
    var experience = kept.experience
    let (loss, metrics) = improvement.loss(
      &experience,
      batch: batch,
      context: batch.context(of: policy),
      keepsOld: true
    )
    step.measure(metrics)
    return loss
  }

  private func loss(ofRollout rollout: Int, _ step: inout TrainingStep) throws -> Variable {
    sampler.position = BatchPosition(
      epoch: rollout / sampler.batchesPerEpoch,
      batch: rollout % sampler.batchesPerEpoch
    )
    let indices = sampler.next()?.indices ?? []
    let drawn = try draw(indices, step.generator)
    var (groups, places, batch, context) = (drawn.groups, indices, drawn.batch, drawn.context)
    step.measure("mixed groups", Float(groups.count { $0.isMixed }) / Float(groups.count))
    if options.maximumResampling > 0, !groups.allSatisfy(\.isMixed) {
      (groups, places) = try resampled(groups, indices, &step)
      batch = try PromptBatch(groups.flatMap(\.views), for: policy)
      context = batch.context(of: policy)
    }
    var experience = PolicyExperience(groups, settings: improvement.settings)
    let (loss, metrics) = improvement.loss(
      &experience,
      batch: batch,
      context: context,
      keepsOld: options.updatesPerRollout > 1
    )
    if options.updatesPerRollout > 1 { kept = KeptResponses(places, experience) }
    step.measure(groups, experience.advantages)
    step.measure(metrics)
    return loss
  }

  private func draw(
    _ indices: [Int],
    _ generator: Philox
  ) throws -> (groups: [ResponseGroup], batch: PromptBatch, context: PolicyContext) {
    let views = try indices.map { [PromptView(try examples.example($0), for: policy)] }
    return try collector(views, using: generator)
  }

  /// The groups that can teach something, filled up with those of other examples; at the end of all
  /// rounds with groups that cannot.
  private func resampled(
    _ groups: [ResponseGroup],
    _ indices: [Int],
    _ step: inout TrainingStep
  ) throws -> (groups: [ResponseGroup], indices: [Int]) {
    var all = Array(zip(groups, indices))
    var rounds = 0
    while rounds < options.maximumResampling, all.count(where: { $0.0.isMixed }) < groups.count {
      rounds += 1
      var generator = step.generator.fork(rounds)
      let others = indices.map { _ in generator.integer(below: examples.count) }
      let drawn = try withoutGradients { try draw(others, generator.fork(0)) }
      all += zip(drawn.groups, others)
    }
    step.measure("resampling rounds", Float(rounds))
    let mixed = all.filter { $0.0.isMixed }
    let chosen = (mixed + all.filter { !$0.0.isMixed }).prefix(groups.count)
    return (chosen.map(\.0), chosen.map(\.1))
  }
}

// MARK: - Checkpoints

extension ReinforcementSteps {
  /// Adds the responses that the next step uses again.
  func save(into checkpoint: inout TrainingCheckpoint) throws {
    guard checkpoint.step % options.updatesPerRollout != 0, let kept else { return }
    checkpoint.values[Self.keptName] = kept
  }

  /// Takes them over.
  func resume(from saved: SavedCheckpoint) throws {
    guard saved.step % options.updatesPerRollout != 0 else { return }
    kept = try saved.value(Self.keptName, as: KeptResponses.self)
  }
}

/// Responses that several steps use.
private struct KeptResponses: Codable {
  var examples: [Int]
  var tokens: [Int32]
  var advantages: GroupAdvantages
  var oldLogProbabilities: [Float]

  init(_ examples: [Int], _ experience: PolicyExperience) {
    self.examples = examples
    tokens = experience.tokens.elements
    advantages = experience.advantages
    oldLogProbabilities = experience.oldLogProbabilities?.elements ?? []
  }

  var experience: PolicyExperience {
    let rows = advantages.advantages.count
    let shape: Shape = [rows, tokens.count / max(rows, 1)]
    return PolicyExperience(
      tokens: Tensor(tokens, shape: shape),
      advantages: advantages,
      oldLogProbabilities: Tensor(oldLogProbabilities, shape: shape)
    )
  }
}
