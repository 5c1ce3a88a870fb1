public import Federated
import Tensor

/// Trains the model of a task on a device's examples, as a node of Flower.
///
/// A strategy that knows nothing of compressed models sends the whole model. The device trains the
/// part that its plan says and answers in full shape,
///
///     w_k = w + L(Δ_k)
///
/// so that entries which it does not cover keep the global value: in the strategy's mean they are
/// votes for no change (the diluted rule). A strategy that cuts slices itself says so by the settings
/// `rate-numerator` and `rate-denominator`; it gets back the slice that it sent.
public struct FlowerDevice: Sendable {
  /// What is learned.
  public var task: any FederatedTask
  /// The device's training examples.
  public var examples: [Int32]
  /// The examples that the device measures with.
  public var measured: [Int32]
  /// The part of the task that `measured` counts in.
  public var measuredPart: ExamplePart
  /// How the device trains.
  public var training: LocalTrainingSettings
  /// What the device can do.
  public var profile: DeviceProfile
  /// What the device trains of a whole model.
  public var plan: DevicePlan
  /// The seed of the order of examples, and of random plans.
  public var seed: UInt64

  /// A device; it measures with its own examples until told otherwise.
  public init(
    task: any FederatedTask,
    examples: [Int32],
    profile: DeviceProfile,
    plan: DevicePlan = .full,
    training: LocalTrainingSettings = LocalTrainingSettings(),
    seed: UInt64
  ) {
    self.task = task
    self.examples = examples
    self.profile = profile
    self.plan = plan
    self.training = training
    self.seed = seed
    measured = examples
    measuredPart = .training
  }

  /// What a node does with messages.
  public var handlers: FlowerHandlers {
    FlowerHandlers(
      train: { try train($0) },
      evaluate: { try evaluate($0) },
      query: { _ in ["profile": .metrics(profile.flowerMetrics)] }
    )
  }

  /// Answers `train`: trains what was sent, and sends it back.
  ///
  /// - Throws: `FlowerFailure` for a model that is not the task's; what compression and training
  ///   throw.
  public func train(_ request: FlowerRequest) throws -> FlowerContent {
    guard !examples.isEmpty else {
      throw FlowerFailure(.preconditionFailed, "this device has no examples")
    }
    let assignment = try Assignment(request, self)
    let job = LocalJob(
      model: assignment.model,
      examples: examples,
      settings: training,
      batches: .shuffled(Philox(seed: seed).fork(assignment.round))
    )
    let update = try LocalTrainer(task).train(job)
    return .trained(
      arrays: try assignment.result(update).flowerArrays,
      metrics: ["train-loss": .double(update.loss ?? 0)],
      exampleCount: update.exampleCount
    )
  }

  /// Answers `evaluate`: measures what was sent.
  ///
  /// - Throws: `FlowerFailure` for a model that is not the task's.
  public func evaluate(_ request: FlowerRequest) throws -> FlowerContent {
    guard !measured.isEmpty else {
      throw FlowerFailure(.preconditionFailed, "this device has nothing to measure with")
    }
    let assignment = try Assignment(request, self)
    let evaluation = try LocalTrainer(task).evaluate(
      assignment.whole,
      examples: measured,
      of: measuredPart,
      queryExamples: examples
    )
    return .evaluated(
      metrics: [
        "eval-loss": .double(evaluation.loss), "eval-accuracy": .double(evaluation.accuracy),
      ],
      exampleCount: measured.count
    )
  }
}

/// What a message asks a device to train.
private struct Assignment {
  let round: Int
  /// What is trained.
  let model: LocalModel
  /// What was sent: the whole model, or the slice.
  let whole: LocalModel
  private let received: ParameterSet
  private let compression: ComposedCompression?

  init(_ request: FlowerRequest, _ device: FlowerDevice) throws {
    guard let arrays = request.content.arrays else {
      throw FlowerFailure(.preconditionFailed, "the message holds no arrays")
    }
    let settings = request.content.settings
    received = try ParameterSet(arrays)
    round = settings["server-round"]?.int ?? 0
    let template = device.task.initialParameters(seed: 0)
    if let rate = try Self.rate(settings) {
      let slicing = WidthSlicing(device.task.model)
      var slice = try slicing.compress(template, plan: .slice(rate), seed: 0)
      try received.checkLayout(like: slice.parameters)
      slice.parameters = try received.ordered(like: slice.parameters)
      (model, whole, compression) = (slice, slice, nil)
    } else {
      try received.checkLayout(like: template)
      let global = try received.ordered(like: template)
      var plan = device.plan
      plan.round = round
      let compression = ComposedCompression(device.task.model)
      let seed = Philox(seed: device.seed).fork(round).firstValue
      model = try compression.compress(global, plan: plan, seed: seed)
      whole = LocalModel(whole: global)
      self.compression = compression
    }
  }

  /// The slice that a strategy cut; nil when it sent the whole model.
  private static func rate(_ settings: NamedValues<FlowerValue>) throws -> Rate? {
    guard let numerator = settings["rate-numerator"], let denominator = settings["rate-denominator"]
    else { return nil }
    guard let top = numerator.int, let bottom = denominator.int,
      let rate = Rate(validating: top, of: bottom)
    else { throw FlowerFailure(.preconditionFailed, "\(numerator)/\(denominator) is no rate") }
    return rate
  }

  /// The parameters after training, in the shapes and the order in which they came.
  func result(_ update: ParameterUpdate) throws -> ParameterSet {
    let change: ParameterSet
    if let compression {
      change = try compression.lift(update, of: model).expanded(like: received)
    } else {
      try update.check(against: model)
      change = update.delta
    }
    if let name = change.firstNotFinite { throw FederatedError.notFinite(name: name) }
    return try received.adding(change.ordered(like: received))
  }
}

extension ParameterSet {
  /// The same tensors in the order of another set.
  fileprivate func ordered(like other: ParameterSet) throws(FederatedError) -> ParameterSet {
    var result = ParameterSet()
    for name in other.names { result[name] = try tensor(name) }
    return result
  }
}

extension Philox {
  fileprivate var firstValue: UInt64 {
    var copy = self
    return copy.next()
  }
}
