import ArgumentParser
import PointCloud
import Support

/// How a network is trained.
struct TrainingArguments: ParsableArguments {
  @Option(help: "The optimizer's steps.")
  var steps = 3000
  @Option(help: "The scans of a batch.")
  var batch = 1
  @Option(help: "The batches whose gradients are added in a step.")
  var accumulation = 1
  @Option(help: "The first learning rate of Adam.")
  var learningRate: Float = 1e-3
  @Option(help: "How the rate falls: exponential (1 % a pass over the scans) or cosine.")
  var schedule = SegmentationTrainingOptions.Schedule.exponential
  @Flag(
    inversion: .prefixedNo,
    help: "Remove beams and mix scans: the density augmentations. Turning and mirroring stay."
  )
  var augmentation = true
  @Option(help: "The most points of a scan that the front end sees in training; 0 for all.")
  var pointLimit = 30_000
  @Option(help: "The largest random shift of the grid along z, in voxels.")
  var gridJitter: Float = 1
  @Option(help: "The seed of weights, order and augmentation.")
  var seed: UInt64 = 0
  @Option(help: "Steps between checkpoints; an interruption always saves one.")
  var checkpointInterval = 500

  func validate() throws {
    let counts = [steps, batch, accumulation, checkpointInterval]
    guard counts.allSatisfy({ (1...1 << 40).contains($0) }), (0...1 << 40).contains(pointLimit)
    else { throw ValidationError("steps, sizes and intervals must be above 0, at most 2⁴⁰") }
    guard learningRate > 0, learningRate.isFinite else {
      throw ValidationError("--learning-rate \(learningRate) must be above 0")
    }
    guard gridJitter >= 0, gridJitter <= 100 else {
      throw ValidationError("--grid-jitter \(gridJitter) must be 0 to 100 voxels")
    }
  }

  /// The options of a run.
  var options: SegmentationTrainingOptions {
    var options = SegmentationTrainingOptions(steps: steps, seed: seed)
    options.batchSize = batch
    options.accumulation = accumulation
    options.learningRate = learningRate
    options.schedule = schedule
    options.gridJitter = gridJitter
    options.pointLimit = pointLimit == 0 ? nil : pointLimit
    if !augmentation { (options.augmentation.sampling, options.augmentation.mix) = (nil, nil) }
    return options
  }
}

/// How a network is measured while it is trained.
struct HeldOutArguments: ParsableArguments {
  @Option(help: ArgumentHelp("Measure on simulated scenes of these sensors.", valueName: "list"))
  var evaluationSensors: SensorList?
  @Option(help: "The scenes of each of them.")
  var evaluationScenes = 4
  @Option(help: "The number of the first of these scenes.")
  var evaluationFirst = 900_000
  @Option(help: "Steps between evaluations. (default: with each checkpoint, and at the end)")
  var evaluationInterval: Int?

  func validate() throws {
    try evaluationSensors?.validate()
    guard (1...SceneArguments.most).contains(evaluationScenes),
      (0...SceneArguments.most).contains(evaluationFirst), evaluationInterval ?? 1 > 0
    else { throw ValidationError("evaluation scenes and intervals must be above 0") }
  }

  /// The sets to measure on.
  func sets(_ map: LabelMap) throws -> [ScanSet] {
    try (evaluationSensors?.choices ?? []).map { choice in
      let scenes = evaluationFirst..<evaluationFirst + evaluationScenes
      return ScanSet.simulated(
        name: choice.text,
        by: try choice.simulator(),
        scenes: scenes,
        classes: map
      ).cached()
    }
  }
}
