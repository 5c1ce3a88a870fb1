public import ArgumentParser
public import Autograd
import Transformer

extension LearningRateSchedule.Curve: ExpressibleByArgument {}

/// How a model is tuned.
struct TrainingArguments: ParsableArguments {
  @Option(help: "How often each example is read. (default: 1)")
  var epochs: Int?

  @Option(parsing: .unconditional, help: "The optimizer's steps, in place of --epochs.")
  var steps: Int?

  @Option(help: "The examples of a batch.")
  var batch = 4

  @Option(help: "The batches whose gradients are added in a step.")
  var accumulation = 1

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      The largest learning rate. (default: 2e-4 for lora, 2e-5 for full; for peqa and alphatuning, which \
      train scales themselves, 0.005 · the median of their sizes, and 0.005 under --relative)
      """,
      valueName: "number"
    )
  )
  var learningRate: Float?

  @Flag(help: "Train scales as ratios to their start: --learning-rate is then a share of each.")
  var relative = false

  @Option(help: "What the rate does after the warm-up: linear, cosine or constant.")
  var curve = LearningRateSchedule.Curve.linear

  @Option(help: "The steps of the linear warm-up.")
  var warmUp = 0

  @Option(parsing: .unconditional, help: "Decoupled weight decay of what is trained.")
  var decay: Float = 0

  @Option(parsing: .unconditional, help: "The largest norm of the gradients; 0 for no clipping.")
  var clip: Float = 1

  @Option(help: "The seed of the order of examples and of the start of adapters.")
  var seed: UInt64 = 0

  @Option(help: "Steps between evaluations; start and end alone by default.")
  var evaluationInterval: Int?

  @Option(help: "Steps between checkpoints. (default: a tenth of the run)")
  var checkpointInterval: Int?

  @Flag(
    inversion: .prefixedNo,
    help: """
      Keep one block's values at a time: a third more time for much less memory. (default: on for all \
      methods but full)
      """
  )
  var recompute: Bool?

  func validate() throws {
    if epochs != nil, steps != nil {
      throw ValidationError("--epochs and --steps both say when to end; leave one of them out")
    }
    let counts = [
      epochs ?? 1, steps ?? 1, batch, accumulation, evaluationInterval ?? 1,
      checkpointInterval ?? 1,
    ]
    guard counts.allSatisfy({ $0 > 0 }), warmUp >= 0 else {
      throw ValidationError("steps, sizes and intervals must be above 0")
    }
    guard (counts + [warmUp]).allSatisfy({ $0 <= 1 << 40 }) else {
      throw ValidationError("steps, sizes and intervals end at 2⁴⁰")
    }
    guard decay >= 0, clip >= 0, decay.isFinite, clip.isFinite else {
      throw ValidationError("--decay and --clip must not be below 0")
    }
    if let learningRate, !(learningRate > 0 && learningRate.isFinite) {
      throw ValidationError("--learning-rate \(learningRate) must be above 0")
    }
  }

  /// The options of a run.
  func options(learningRate: Float) -> FineTuningOptions {
    var options = FineTuningOptions()
    options.seed = seed
    options.epochs = epochs ?? 1
    options.steps = steps
    options.batchSize = batch
    options.accumulation = accumulation
    options.learningRate = learningRate
    options.isRelative = relative
    options.curve = curve
    options.warmUpSteps = warmUp
    options.weightDecay = decay
    options.maximumGradientNorm = clip == 0 ? nil : clip
    options.evaluationInterval = evaluationInterval
    options.checkpointInterval = checkpointInterval
    return options
  }
}
