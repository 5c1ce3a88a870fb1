import ArgumentParser
import Transformer

/// How a model is trained.
struct TrainingArguments: ParsableArguments {
  @Option(help: "The optimizer's steps.")
  var steps = 300

  @Option(help: "The windows of a batch.")
  var batch = 4

  @Option(help: "T, the tokens of a window.")
  var length = 128

  @Option(help: "How far apart windows begin; T by default, 1 for any place.")
  var stride: Int?

  @Option(help: "The batches whose gradients are added in a step.")
  var accumulation = 1

  @Option(help: "The steps of the linear warm-up; 30, or a tenth of fewer steps, by default.")
  var warmUp: Int?

  @Option(help: "Decoupled weight decay of the matrices.")
  var decay: Float = 0.033

  @Option(help: "The largest norm of the gradients; 0 for no clipping.")
  var clip: Float = 1

  @Option(help: ArgumentHelp("The deviation of the first weights; 0.64/√D by default."))
  var deviation: Float?

  @Flag(help: "Start the matrices that write to the stream smaller by √(2L).")
  var scaledOutputs = false

  @Option(
    help: ArgumentHelp("Freeze parameters with this in their name: out_norm.", valueName: "text")
  )
  var freeze: [String] = []

  @Option(help: "Steps between probes; start and end alone by default.")
  var probeInterval: Int?

  @Option(help: "Steps between evaluations; the end alone by default.")
  var evaluationInterval: Int?

  @Option(help: "Steps between checkpoints; the end alone by default.")
  var checkpointInterval: Int?

  func validate() throws {
    let counts = [
      steps, batch, length, stride ?? 1, accumulation, probeInterval ?? 1, evaluationInterval ?? 1,
      checkpointInterval ?? 1,
    ]
    guard counts.allSatisfy({ $0 > 0 }) else {
      throw ValidationError("steps, sizes and intervals must be above 0")
    }
    guard (counts + [warmUp ?? 0]).allSatisfy({ $0 <= 1 << 40 }) else {
      throw ValidationError("steps, sizes and intervals end at 2⁴⁰")
    }
    if let warmUp, warmUp < 0 || warmUp >= steps {
      throw ValidationError("--warm-up \(warmUp) does not lie between 0 and --steps \(steps)")
    }
    guard decay >= 0, clip >= 0, deviation ?? 1 > 0, decay.isFinite, clip.isFinite else {
      throw ValidationError("--decay and --clip must not be below 0, --deviation above 0")
    }
  }

  func options(_ model: ModelArguments) -> PretrainingOptions {
    var options = PretrainingOptions()
    options.steps = steps
    options.batchSize = batch
    options.length = length
    options.stride = stride
    options.accumulation = accumulation
    options.warmUpSteps = warmUp ?? min(30, steps / 10)
    options.weightDecay = decay
    options.maximumGradientNorm = clip == 0 ? nil : clip
    var start = InitialDeviation.widthScaled(model.width)
    if let deviation { start.matrices = deviation }
    if scaledOutputs { start.outputScale = 1 / Float(2 * model.blocks).squareRoot() }
    options.initialDeviation = start
    options.frozen = freeze
    options.probeInterval = probeInterval
    options.evaluationInterval = evaluationInterval
    options.checkpointInterval = checkpointInterval
    return options
  }
}
