public import Autograd
import Tensor

/// How a policy is warmed up on the centres of targets.
public struct SupervisedTrainingOptions: Codable, Hashable, Sendable {
  /// The optimizer's steps.
  public var steps: Int
  /// The examples of a step.
  public var batchSize = 32
  /// The rate, its warm-up and its end.
  public var rate = PolicyRate(peak: 3e-3, warmUpSteps: 30, finalShare: 0.05)
  /// The share of a weight that a step at rate 1 subtracts.
  public var weightDecay: Float = 0.01
  /// The largest norm of all gradients together.
  public var maximumGradientNorm: Float = 1
  /// The seed of the order of examples.
  public var seed: UInt64
  /// Steps between checkpoints; nil for the end and interruptions alone.
  public var checkpointInterval: Int?
  /// Steps between evaluations; nil for the end alone.
  public var evaluationInterval: Int?

  /// A short warm-up, which leaves later stages room: 150 steps by default.
  public init(steps: Int = 150, seed: UInt64 = 0) {
    (self.steps, self.seed) = (steps, seed)
  }
}

/// Stage 0: the policy learns the form of responses, and roughly where things are.
///
///     L = mean over tokens and rows of −log π(a_t | a_<t, view, instruction)
///
/// a are the words that lead to the target's centre, and that centre. This stands in for the
/// pre-trained model that ReGUIDE starts from: keep it short. Interrupted, the run goes on.
public struct SupervisedTraining {
  /// The folder of the run.
  public let path: String
  /// What is trained.
  public let policy: NativeGroundingPolicy
  /// What it is trained on.
  public let examples: GroundingExamples
  /// How it is trained.
  public let options: SupervisedTrainingOptions
  /// Measures the policy; the names are logged beside the loss.
  public var evaluation: (() throws -> [String: Double])?
  /// Asked before each step whether to stop.
  public var shouldStop: () -> Bool = { false }

  /// A training run in a folder, which is made when there is none.
  public init(
    at path: String,
    of policy: NativeGroundingPolicy,
    on examples: GroundingExamples,
    _ options: SupervisedTrainingOptions = SupervisedTrainingOptions()
  ) {
    self.path = path
    self.policy = policy
    self.examples = examples
    self.options = options
  }

  /// Trains to the last step, or goes on from the newest checkpoint of the folder.
  ///
  /// - Parameter progress: gets the progress after each step.
  /// - Returns: why the run ended, and what it measured last.
  /// - Throws: `GroundingTrainingError`, `TrainingError`, or what an example throws.
  @discardableResult
  public func run(progress: ((TrainingProgress) -> Void)? = nil) throws -> TrainingReport {
    let frame = PolicyRunFrame(
      path: path,
      policy: policy,
      exampleCount: examples.count,
      batchSize: options.batchSize
    )
    try frame.check(steps: options.steps, rate: options.rate)
    let optimizer = AdamW(
      policy,
      learningRate: options.rate.peak,
      betas: PolicyRunFrame.betas,
      weightDecay: options.weightDecay
    )
    var training = TrainingOptions(seed: options.seed, steps: options.steps)
    training.maximumGradientNorm = options.maximumGradientNorm
    training.checkpointInterval = options.checkpointInterval
    training.evaluationInterval = options.evaluationInterval
    training.keptCheckpoints = 1
    var run = TrainingRun(at: path, model: policy, optimizer: optimizer, options: training)
    run.learningRate = { [options] in options.rate(step: $0, of: options.steps) }
    run.evaluation = evaluation
    run.progress = progress
    run.shouldStop = shouldStop
    try frame.guardIdentity(RunNumbers(options), in: &run)
    return try run.train(on: frame.batches(examples, seed: options.seed)) { indices, _ in
      let views = try indices.map { PromptView(try examples.example($0), for: policy) }
      let batch = try PromptBatch(views, for: policy)
      let targets = try batch.centerResponses(of: policy)
      return crossEntropy(
        logits: policy.logits(batch.context(of: policy), responses: targets),
        targets: targets
      )
    }
  }
}

/// What may not change between the sessions of a warm-up.
private struct RunNumbers: Codable, Equatable {
  var steps: Int
  var rate: PolicyRate
  var weightDecay: Float

  init(_ options: SupervisedTrainingOptions) {
    (steps, rate, weightDecay) = (options.steps, options.rate, options.weightDecay)
  }
}
