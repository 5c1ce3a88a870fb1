public import Autograd
import Tensor

/// Stage 1: the policy learns to think and to point from rewards alone.
///
///     let training = ReinforcementTraining(at: "run", of: policy, on: pages)
///     try training.run { print($0.note) }
///
/// Each step draws G responses to each of some examples, rewards those that hit and those of the
/// right form, and follows the advantages inside each group:
///
///     R = 1[hit] + λ · 1[form]        A = (R − mean) / (deviation + ε)        GRPO's loss
///
/// No box's centre and no reasoning is shown to the policy. Image and instruction are computed once
/// for all responses to them, and the first update uses what drawing them has computed. The same
/// seed gives the same tokens and losses on any number of threads; interrupted, the run goes on.
///
/// - Source: ReGUIDE, arXiv 2505.15259, stage 1. Choice: λ = 0.1.
public struct ReinforcementTraining {
  /// The folder of the run.
  public let path: String
  /// What is trained.
  public let policy: NativeGroundingPolicy
  /// What it is trained on.
  public let examples: GroundingExamples
  /// How it is trained.
  public let options: ReinforcementOptions
  /// What responses are worth.
  public var rewards: WeightedRewards
  /// Measures the policy; the names are logged beside the loss.
  public var evaluation: (() throws -> [String: Double])?
  /// Asked before each step whether to stop.
  public var shouldStop: () -> Bool = { false }

  /// A training run in a folder, which is made when there is none.
  public init(
    at path: String,
    of policy: NativeGroundingPolicy,
    on examples: GroundingExamples,
    _ options: ReinforcementOptions = ReinforcementOptions(),
    rewards: WeightedRewards = .reguide()
  ) {
    self.path = path
    self.policy = policy
    self.examples = examples
    self.options = options
    self.rewards = rewards
  }

  /// Trains to the last step, or goes on from the newest checkpoint of the folder.
  ///
  /// - Parameter progress: gets the progress after each step.
  /// - Returns: why the run ended, and what it measured last.
  /// - Throws: `GroundingTrainingError`, `TrainingError`, or what an example throws.
  @discardableResult
  public func run(progress: ((TrainingProgress) -> Void)? = nil) throws -> TrainingReport {
    if let flaw = options.flaw { throw GroundingTrainingError.option(flaw) }
    let frame = PolicyRunFrame(
      path: path,
      policy: policy,
      exampleCount: examples.count,
      batchSize: options.promptCount
    )
    try frame.check(steps: options.steps, rate: options.rate)
    let reference = options.settings.beta == 0 ? nil : try frame.frozenPolicy("reference")
    var run = frame.trainingRun(options, progress)
    run.evaluation = evaluation
    run.shouldStop = shouldStop
    let steps = ReinforcementSteps(self, reference)
    run.willSave = { try steps.save(into: &$0) }
    run.didResume = { try steps.resume(from: $0) }
    try frame.guardIdentity(ReinforcementNumbers(options, rewards), in: &run)
    return try run.train(on: frame.batches(examples, seed: options.seed)) { _, step in
      try steps.loss(&step)
    }
  }
}

extension PolicyRunFrame {
  /// A run with the optimizer and the intervals of options.
  func trainingRun(
    _ options: ReinforcementOptions,
    _ progress: ((TrainingProgress) -> Void)?
  ) -> TrainingRun {
    let optimizer = AdamW(
      policy,
      learningRate: options.rate.peak,
      betas: Self.betas,
      weightDecay: options.weightDecay
    )
    var training = TrainingOptions(seed: options.seed, steps: options.steps)
    training.maximumGradientNorm = options.maximumGradientNorm
    training.checkpointInterval = options.checkpointInterval
    training.evaluationInterval = options.evaluationInterval
    training.keptCheckpoints = 1
    var run = TrainingRun(at: path, model: policy, optimizer: optimizer, options: training)
    run.learningRate = { options.rate(step: $0, of: options.steps) }
    run.progress = progress
    return run
  }
}

/// What may not change between the sessions of a run.
struct ReinforcementNumbers: Codable, Equatable {
  var options: ReinforcementOptions
  var rewards: String

  init(_ options: ReinforcementOptions, _ rewards: WeightedRewards) {
    self.options = options
    // How often a run is saved and measured changes no number.
    self.options.checkpointInterval = nil
    self.options.evaluationInterval = nil
    self.rewards = rewards.name
  }
}
