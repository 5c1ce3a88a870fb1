public import Autograd
import Tensor

/// Stage 2, spatial-aware criticism: the policy learns to point at the same place in a picture and in
/// a part of it, and at the centre of the element.
///
/// `pairedSFT`: of each example K responses are drawn from the policy as the stage found it; examples
/// without one that hits are left out, so that nothing is taught that the policy cannot support. A
/// random rectangle T that holds the target makes the local view, and both views answer the centre
/// c*:
///
///     L = −Σ_t log π(a_t | a_<t, x) − Σ_t log π(a'_t | a'_<t, T(x)),   a → c*,  a' → T(c*)
///
/// as a mean over tokens and over all responses; the places that the thinking names are those of its
/// own view.
///
/// `jointReward`: half of a group's responses is to each view, in one group of GRPO, and a response
/// gets μ more if its point lies within ε of the middle of the other view's hits.
///
/// - Source: ReGUIDE, arXiv 2505.15259, stage 2, for the intent. Choice: both formulas.
public struct ConsistencyTraining {
  /// The folder of the run.
  public let path: String
  /// What is trained.
  public let policy: NativeGroundingPolicy
  /// What it is trained on.
  public let examples: GroundingExamples
  /// How it is trained.
  public let options: ConsistencyOptions
  /// What responses are worth before the bonus; `jointReward` alone.
  public var rewards = WeightedRewards.reguide()
  /// Measures the policy; the names are logged beside the loss.
  public var evaluation: (() throws -> [String: Double])?
  /// Asked before each step whether to stop.
  public var shouldStop: () -> Bool = { false }

  /// A training run in a folder, which is made when there is none.
  public init(
    at path: String,
    of policy: NativeGroundingPolicy,
    on examples: GroundingExamples,
    _ options: ConsistencyOptions = ConsistencyOptions()
  ) {
    self.path = path
    self.policy = policy
    self.examples = examples
    self.options = options
  }

  /// Trains to the last step, or goes on from the newest checkpoint of the folder.
  ///
  /// - Parameter progress: gets the progress after each step.
  /// - Returns: why the run ended, and what it measured last; nil where the mode is `off`.
  /// - Throws: `GroundingTrainingError`, `TrainingError`, or what an example throws.
  @discardableResult
  public func run(progress: ((TrainingProgress) -> Void)? = nil) throws -> TrainingReport? {
    guard options.mode != .off else { return nil }
    if let flaw = options.flaw { throw GroundingTrainingError.option(flaw) }
    let frame = PolicyRunFrame(
      path: path,
      policy: policy,
      exampleCount: examples.count,
      batchSize: options.promptCount
    )
    try frame.check(steps: options.steps, rate: options.rate)
    var reinforcement = ReinforcementOptions(options)
    if options.mode == .pairedSFT { reinforcement.weightDecay = options.weightDecay }
    var run = frame.trainingRun(reinforcement, progress)
    run.evaluation = evaluation
    run.shouldStop = shouldStop
    try frame.guardIdentity(ConsistencyNumbers(options, rewards), in: &run)
    let batches = frame.batches(examples, seed: options.seed)
    if options.mode == .jointReward {
      let steps = JointRewardSteps(self)
      return try run.train(on: batches) { indices, step in try steps.loss(indices, &step) }
    }
    let steps = PairedSteps(self, frozen: try frame.frozenPolicy("stage-1"))
    return try run.train(on: batches) { indices, step in try steps.loss(indices, &step) }
  }

  /// The local view of an example.
  func crop(_ example: GroundingExample, using generator: inout Philox) -> PixelRect {
    let center = example.target.center ?? GroundingPoint(x: 0, y: 0)
    let box =
      example.target.boundingBox
      ?? GroundingBox(x0: center.x, y0: center.y, x1: center.x, y1: center.y)
    return options.crop(around: box, in: example.image.size, using: &generator)
  }
}

/// What may not change between the sessions of a run.
private struct ConsistencyNumbers: Codable, Equatable {
  var options: ConsistencyOptions
  var rewards: String

  init(_ options: ConsistencyOptions, _ rewards: WeightedRewards) {
    self.options = options
    self.options.checkpointInterval = nil
    self.options.evaluationInterval = nil
    self.rewards = rewards.name
  }
}
