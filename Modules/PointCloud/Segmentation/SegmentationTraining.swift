public import Autograd
import Tensor

/// How a segmentation network is trained.
public struct SegmentationTrainingOptions: Codable, Hashable, Sendable {
  /// How the learning rate falls.
  public enum Schedule: String, Codable, CaseIterable, Sendable {
    /// By 1 % after each pass over the scans: the paper's.
    case exponential
    /// Along half a cosine to 0.
    case cosine
  }

  /// The optimizer's steps.
  public var steps: Int
  /// The scans of a batch.
  public var batchSize = 1
  /// The batches of a step.
  public var accumulation = 1
  /// The first learning rate of Adam.
  public var learningRate: Float = 1e-3
  /// How the learning rate falls.
  public var schedule = Schedule.exponential
  /// What happens to scans before they are put into voxels; its crop is the configuration's.
  public var augmentation = ScanAugmentation()
  /// The largest random shift of the grid along z, in voxels.
  public var gridJitter: Float = 1
  /// The most points of a scan that the front end sees; nil for all.
  public var pointLimit: Int? = 30_000
  /// The parts of the loss; class weights that are nil are counted from the scans.
  public var loss = SegmentationLoss()
  /// The seed of weights' draws: order, augmentation, jitter.
  public var seed: UInt64 = 0
  /// Steps between checkpoints; nil for the end and interruptions alone.
  public var checkpointInterval: Int?
  /// Steps between evaluations; nil for the end alone.
  public var evaluationInterval: Int?

  /// The usual options: Adam with a rate of 1e-3, one scan a step.
  public init(steps: Int, seed: UInt64 = 0) {
    self.steps = steps
    self.seed = seed
  }
}

/// The training of a segmentation network on scans of one sensor; interrupted, it goes on.
///
///     let training = SegmentationTraining(at: "run", of: model, on: scans, options)
///     let report = try training.run { print($0.note) }
///     try model.write(to: "street.safetensors")
///
/// Each scan loses beams, is mixed, turned and cropped as the options say, with densities of the
/// sensor that it has then; the grid stands on the road, shifted by up to a voxel. The loss is that
/// of the paper, over points and voxels.
///
/// - Source: Kim et al. 2024, "Rethinking LiDAR Domain Generalization"; optimizer, loss, schedule.
/// - Choice: a random grid height, and that the front end sees a part of the points.
public struct SegmentationTraining {
  /// The folder of the run.
  public let path: String
  /// What is trained.
  public let model: PointSegmenter
  /// The training scans.
  public let scans: ScanSet
  /// How it is trained.
  public let options: SegmentationTrainingOptions
  /// Measures the model; the names are logged beside the loss.
  public var evaluation: (() throws -> [String: Double])?
  /// Asked before each step whether to stop.
  public var shouldStop: () -> Bool = { false }

  /// A training run in a folder, which is made when there is none.
  public init(
    at path: String,
    of model: PointSegmenter,
    on scans: ScanSet,
    _ options: SegmentationTrainingOptions
  ) {
    self.path = path
    self.model = model
    self.scans = scans
    self.options = options
  }

  /// Trains to the last step, or goes on from the newest checkpoint of the folder.
  ///
  /// - Parameter progress: gets the progress after each step.
  /// - Returns: why the run ended, and what it measured last.
  /// - Throws: `TrainingError`, or what reading a scan throws.
  @discardableResult
  public func run(progress: ((TrainingProgress) -> Void)? = nil) throws -> TrainingReport {
    let loss = try measureScans()
    let optimizer = Adam(model, learningRate: options.learningRate)
    var training = TrainingOptions(seed: options.seed, steps: options.steps)
    training.accumulation = options.accumulation
    training.logInterval = 10
    training.checkpointInterval = options.checkpointInterval
    training.evaluationInterval = options.evaluationInterval
    training.keptCheckpoints = 1
    var run = TrainingRun(at: path, model: model, optimizer: optimizer, options: training)
    run.learningRate = learningRate
    run.progress = progress
    run.shouldStop = shouldStop
    run.evaluation = evaluation
    let batches = scans.batches(
      of: min(options.batchSize, scans.count),
      order: .shuffled(seed: options.seed),
      dropsRemainder: true
    )
    model.train()
    return try run.train(on: batches) { batch, step in
      let (input, classes) = try example(batch, using: &step.generator)
      let targets = input.targets(of: classes)
      let value = loss(
        voxelLogits: model(input),
        members: input.frontEnd.members,
        interpolation: input.interpolation,
        pointTargets: targets.points,
        voxelTargets: targets.voxels
      )
      step.measure("voxels", Float(input.voxels.count))
      return value.total
    }
  }

  /// The voxels of augmented scans, and the classes of their points.
  func example(
    _ indices: [Int],
    using generator: inout Philox
  ) throws -> (input: SegmentationInput, classes: Tensor<Int32>) {
    let configuration = model.configuration
    let height = Float(scans.sensor.mountHeight)
    var augmentation = options.augmentation
    augmentation.crop = configuration.crop(for: height)
    var clouds: [SegmentationInput.Cloud] = []
    for index in indices {
      let scan = SensedScan(try scans.scan(index), of: scans.sensor)
      let cloud = try augmentation(scan, using: &generator) { generator in
        let other = generator.integer(below: scans.count)
        return SensedScan(try scans.scan(other), of: scans.sensor)
      }
      let jitter = options.gridJitter * configuration.voxelSize
      let shift = Tensor<Float>.uniform([1], from: -jitter, to: jitter, using: &generator)
      clouds.append(
        .init(cloud, heightShift: configuration.heightShift(of: height) + shift.elements[0])
      )
    }
    let classes = Tensor.concatenating(
      clouds.map { $0.points.labels ?? .zeros([$0.points.count]) },
      axis: 0
    )
    let input = try SegmentationInput(
      clouds,
      configuration,
      range: model.densityRange,
      pointLimit: options.pointLimit,
      using: &generator
    )
    return (input, classes)
  }

  /// Takes over what the model must know of the scans, the sensor and the range of densities; the loss
  /// with weights of the classes.
  private func measureScans() throws -> SegmentationLoss {
    var loss = options.loss
    let found = try ScanMeasurements(
      at: path,
      of: scans,
      classCount: model.configuration.classCount,
      countsClasses: loss.classWeights == nil,
      seed: options.seed
    )
    model.sensor = scans.sensor
    model.densityRange = found.densityRange
    loss.classWeights = loss.classWeights ?? found.classes?.weights
    return loss
  }

  /// The learning rate of a step, counted from 1.
  private func learningRate(_ step: Int) -> Float {
    switch options.schedule {
    case .exponential:
      let scansPerStep = options.batchSize * options.accumulation
      let epoch = (step - 1) * scansPerStep / max(scans.count, 1)
      return options.learningRate * power(0.99, epoch)
    case .cosine:
      return LearningRateSchedule.cosine(from: options.learningRate, steps: options.steps)(step - 1)
    }
  }

  private func power(_ base: Float, _ count: Int) -> Float {
    (0..<count).reduce(1) { result, _ in result * base }
  }
}
