import Autograd
import Tensor

/// The steps of paired fine-tuning on the policy's own solved examples.
struct PairedSteps {
  private let training: ConsistencyTraining
  private let policy: NativeGroundingPolicy
  private let collector: ResponseCollector

  /// How many batches are looked through for examples that the frozen policy solves.
  private static let maximumRounds = 50

  init(_ training: ConsistencyTraining, frozen: NativeGroundingPolicy) {
    self.training = training
    policy = training.policy
    collector = ResponseCollector(
      policy: frozen,
      rewards: WeightedRewards.reguide(),
      groupSize: training.options.candidates,
      temperature: training.options.temperature
    )
  }

  /// The loss of a step; `indices` are the examples that are tried first.
  func loss(_ indices: [Int], _ step: inout TrainingStep) throws -> Variable {
    let solved = try solved(indices, &step)
    var views = solved.map { PromptView($0, for: policy) }
    if training.options.showsLocalViews {
      var generator = step.generator.fork(-1)
      views += solved.map { example in
        let crop = training.crop(example, using: &generator)
        return PromptView(example, crop: crop, for: policy)
      }
    }
    let batch = try PromptBatch(views, for: policy)
    let targets = try batch.centerResponses(of: policy)
    return crossEntropy(
      logits: policy.logits(batch.context(of: policy), responses: targets),
      targets: targets
    )
  }

  /// As many examples as a step takes, each with a response of the frozen policy that hits.
  private func solved(
    _ indices: [Int],
    _ step: inout TrainingStep
  ) throws -> [GroundingExample] {
    var solved: [GroundingExample] = []
    var (tried, indices) = (0, indices)
    for round in 0..<Self.maximumRounds where solved.count < training.options.promptCount {
      var generator = step.generator.fork(round)
      if round > 0 {
        indices = indices.map { _ in generator.integer(below: training.examples.count) }
      }
      let views = try indices.map {
        [PromptView(try training.examples.example($0), for: policy)]
      }
      let groups = try withoutGradients { try collector(views, using: generator.fork(0)).groups }
      tried += groups.count
      for group in groups where group.isSolved { solved.append(group.views[0].example) }
    }
    guard !solved.isEmpty else {
      throw GroundingTrainingError.unsolved(step: step.step, tried: tried)
    }
    let found = solved.prefix(training.options.promptCount)
    step.measure("solved", Float(solved.count) / Float(tried))
    return Array(found)
  }
}

extension ResponseGroup {
  /// Whether a response of the right form hits.
  var isSolved: Bool { samples.indices.contains { samples[$0].formatOK && hits[$0] } }
}
