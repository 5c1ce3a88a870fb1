public import Autograd

/// How a model is fine-tuned.
///
/// The defaults are those of the optimizer's authors (β, ε), no decay, and a rate that falls in a
/// straight line to 0 behind the last step: the customary ones for adapters and scales. The learning
/// rate depends on what is trained: some 1e-4 for adapters, 1e-5 for all weights.
public struct FineTuningOptions: Codable, Hashable, Sendable {
  /// The seed of the order of examples.
  public var seed: UInt64 = 0
  /// How often each example is read; without meaning where `steps` says when to end.
  public var epochs = 1
  /// The optimizer's steps; nil for as many as the epochs take.
  public var steps: Int?
  /// The examples of a batch.
  public var batchSize = 4
  /// The batches of a step; its loss is the mean over the targets of all of them.
  public var accumulation = 1
  /// The largest learning rate.
  public var learningRate: Float = 1e-4
  /// Whether what is trained is its ratio to where it starts, so that the rate is a share of it.
  ///
  /// For scales; the norm of the gradients stays that of the scales themselves.
  public var isRelative = false
  /// What the rate does after the warm-up.
  public var curve = LearningRateSchedule.Curve.linear
  /// The steps of the warm-up, which is linear and begins at 0.
  public var warmUpSteps = 0
  /// Decoupled weight decay of matrices; vectors have none.
  public var weightDecay: Float = 0
  /// β₁ of AdamW.
  public var beta1 = 0.9
  /// β₂ of AdamW.
  public var beta2 = 0.999
  /// ε of AdamW.
  public var epsilon: Float = 1e-8
  /// The largest norm of all gradients together; nil for no clipping.
  public var maximumGradientNorm: Float? = 1
  /// Steps between evaluations; nil for start and end alone.
  public var evaluationInterval: Int?
  /// Steps between checkpoints, beside those at the end and at stops; nil for a tenth of the run.
  public var checkpointInterval: Int?
  /// How many of the newest checkpoints stay.
  public var keptCheckpoints = 2

  /// The defaults.
  public init() {}

  /// What is wrong with the options; nil if nothing is.
  var fault: String? {
    let counts: [(String, Int)] = [
      ("epochs", epochs), ("steps", steps ?? 1), ("batchSize", batchSize),
      ("accumulation", accumulation), ("evaluationInterval", evaluationInterval ?? 1),
      ("checkpointInterval", checkpointInterval ?? 1), ("keptCheckpoints", keptCheckpoints),
    ]
    if let (name, value) = counts.first(where: { $0.1 < 1 }) {
      return "'\(name)' is \(value), at least 1 is needed"
    }
    guard warmUpSteps >= 0 else { return "'warmUpSteps' is \(warmUpSteps), 0 or more is needed" }
    let numbers: [(String, Float)] = [
      ("learningRate", learningRate), ("weightDecay", weightDecay),
    ]
    for (name, value) in numbers where !(value >= 0 && value.isFinite) {
      return "'\(name)' is \(value), 0 or more is needed"
    }
    let positives: [(String, Float)] = [
      ("epsilon", epsilon), ("maximumGradientNorm", maximumGradientNorm ?? 1),
    ]
    for (name, value) in positives where !(value > 0) {
      return "'\(name)' is \(value), above 0 is needed"
    }
    for (name, value) in [("beta1", beta1), ("beta2", beta2)] where !(0..<1).contains(value) {
      return "'\(name)' is \(value), 0 ..< 1 is needed"
    }
    return nil
  }

  /// The rate of each step, counted from 0.
  func schedule(steps: Int) -> LearningRateSchedule {
    switch curve {
    case .constant: .constant(learningRate, warmUpSteps: warmUpSteps)
    case .linear: .linear(from: learningRate, steps: steps, warmUpSteps: warmUpSteps)
    case .cosine: .cosine(from: learningRate, steps: steps, warmUpSteps: warmUpSteps)
    }
  }
}

/// What came of fine-tuning.
public struct FineTuningReport: Codable, Hashable, Sendable {
  /// Why a run ended.
  public typealias Ending = PretrainingReport.Ending

  /// Why it ended.
  public var ending: Ending
  /// The steps done.
  public var step: Int
  /// The steps of the whole run.
  public var totalSteps: Int
  /// The numbers that are trained.
  public var trainableCount: Int
  /// The numbers of all parameters; what packed layers hold besides is not among them.
  public var parameterCount: Int
  /// The loss of each step, the mean over its targets in nats.
  public var losses: [Double]
  /// The mean validation loss of the start in nats; nil without examples for validation.
  public var validationLossBefore: Double?
  /// The mean validation loss at the end; nil where the end was not reached.
  public var validationLoss: Double?
  /// The mean validation losses that were measured, by step.
  public var validationLosses: [Measurement]
  /// The tokens that were read, padding included.
  public var tokens: Int
  /// The targets that counted.
  public var targets: Int
  /// Seconds of training, evaluations included and pauses left out.
  public var seconds: Double
  /// The tokens read in each of these seconds.
  public var tokensPerSecond: Double
  /// The most bytes in buffers of tensors that the process held after a step or in it.
  public var peakTensorBytes: Int

  /// A loss and when it was measured.
  public struct Measurement: Codable, Hashable, Sendable {
    /// The steps done before.
    public var step: Int
    /// The loss.
    public var loss: Double
  }
}

/// Why a model cannot be fine-tuned.
public struct FineTuningError: Error, Equatable, CustomStringConvertible {
  /// The reason in one sentence.
  public let description: String

  init(_ reason: String) { description = "fine-tuning: " + reason }
}
