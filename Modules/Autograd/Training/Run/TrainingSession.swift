import Checkpoints
import Tensor

/// One session of a run: from where the last one was left to where this one ends.
final class TrainingSession<Data: Dataset> {
  typealias Loss = (_ batch: Data.Batch, _ step: inout TrainingStep) throws -> Variable
  typealias Weight = (_ batch: Data.Batch) -> Double

  private let run: TrainingRun
  private let parameters: [Parameter]
  private let folder: CheckpointFolder
  /// Keeps a second run out of the folder.
  private let lease: FolderLease
  private let log: RunLog
  private let identity: RunIdentity
  /// The steps at whose end the run is finished.
  private let total: Int
  private let resumedFrom: Int
  private let skipped: [DamagedCheckpoint]
  private var batches: Batches<Data>
  private var meter: ProgressMeter
  /// The steps done.
  private var step: Int
  private var savedStep: Int?
  /// The latest value of each metric.
  private var metrics: [String: Double] = [:]
  /// What was measured in the latest step.
  private var latest: [String: Double] = [:]

  private var options: TrainingOptions { run.options }

  /// Opens the folder, and takes over the newest checkpoint.
  init(_ run: TrainingRun, _ batches: Batches<Data>) throws(TrainingError) {
    run.options.check()
    self.run = run
    self.batches = batches
    parameters = run.model.parameters()
    total = Self.stepCount(run.options, batches)
    let identity = RunIdentity(run.options, batches.sampler)
    self.identity = identity
    let folder = try checkpointing { () throws(CheckpointFolderError) in
      try CheckpointFolder(
        at: run.checkpointPath,
        keeping: run.options.keptCheckpoints,
        best: run.options.best
      )
    }
    self.folder = folder
    guard let lease = FolderLease.removing(run.checkpointPath) else {
      throw .inUse(path: run.path)
    }
    self.lease = lease
    FolderRemoval.removeLeftovers(in: run.path) { _ in true }
    let saved = try Self.restore(run, identity, from: folder)
    step = saved?.step ?? 0
    savedStep = saved?.step
    resumedFrom = step
    skipped = saved?.skipped ?? []
    self.batches.position = saved?.position ?? BatchPosition()
    let (logPath, step) = (run.logPath, step)
    log = try logging { () throws(RunLogError) in
      try RunLog(path: logPath, resumingAfter: step)
    }
    folder.removeCheckpoints(after: step)
    folder.removeOldCheckpoints()
    meter = ProgressMeter(total: total, step: step)
  }

  /// The steps of a run: until the batches end, but no more than the options say.
  private static func stepCount(_ options: TrainingOptions, _ batches: Batches<Data>) -> Int {
    let available = batches.sampler.epochs.map { epochs in
      let count = epochs * batches.sampler.batchesPerEpoch
      return (count + options.accumulation - 1) / options.accumulation
    }
    expect(
      available != nil || options.steps != nil,
      "training run: it has no end; give the batches epochs, or the options steps"
    )
    return min(available ?? .max, options.steps ?? .max)
  }

  /// Takes over model, optimizer and whatever the caller keeps from the newest checkpoint.
  private static func restore(
    _ run: TrainingRun,
    _ identity: RunIdentity,
    from folder: CheckpointFolder
  ) throws(TrainingError) -> SavedCheckpoint? {
    guard let saved = try checkpointing(folder.latest) else { return nil }
    let earlier = try checkpointing { () throws(CheckpointFolderError) in
      try saved.value(identityName, as: RunIdentity.self)
    }
    if let difference = earlier.difference(to: identity) {
      throw .otherRun(path: run.path, difference: difference)
    }
    let (model, optimizer) = (try checkpointing(saved.model), try checkpointing(saved.optimizer))
    do {
      try run.model.load(model, of: run.options.savedState)
      try run.optimizer.load(optimizer)
    } catch {
      throw .state(path: saved.path, reason: "\(error)")
    }
    do { try run.didResume?(saved) } catch { throw .failed(step: saved.step, error) }
    return saved
  }
}

// MARK: - Steps

extension TrainingSession {
  /// Trains from where the session stands to the end of the run, or until it is told to stop.
  func run(_ weight: Weight?, _ loss: Loss) throws(TrainingError) -> TrainingReport {
    run.model.train()
    defer { for parameter in parameters { parameter.clearGradient() } }
    while step < total {
      if Task.isCancelled || run.shouldStop() {
        try save()
        return report(.stopped)
      }
      try advance(weight, loss)
    }
    try save()
    return report(.finished)
  }

  /// One step, with all that is due after it.
  private func advance(_ weight: Weight?, _ loss: Loss) throws(TrainingError) {
    let epoch = batches.nextEpoch
    let values = try update(weight, loss, epoch: epoch)
    step += 1
    let measured = try evaluate()
    expect(
      measured.keys.allSatisfy { values[$0] == nil },
      "training run: the evaluation measures what the step does, \(measured.keys.sorted())"
    )
    let all = values.merging(measured) { $1 }
    metrics.merge(all) { $1 }
    latest = all
    if isDue(options.logInterval) || !measured.isEmpty || step == total {
      try logging { () throws(RunLogError) in try log.append(step: step, epoch: epoch, all) }
    }
    run.progress?(meter.advance(to: step, epoch: epoch, metrics: all))
    if isDue(options.checkpointInterval) { try save() }
  }

  /// Loss, gradients and the optimizer's step; gives what was measured.
  private func update(
    _ weight: Weight?,
    _ loss: Loss,
    epoch: Int
  ) throws(TrainingError) -> [String: Double] {
    var current = TrainingStep(step + 1, epoch: epoch, seed: options.seed)
    let mean = try accumulate(weight, loss, &current)
    let norm = gradientNorm(of: parameters)
    try check(norm, "gradient norm", epoch, ["loss": mean])
    if let maximum = options.maximumGradientNorm { scaleGradients(of: parameters, norm, maximum) }
    var values = current.values
    values["loss"] = mean
    values["gradient norm"] = Double(norm)
    if let schedule = run.learningRate {
      let rate = schedule(step + 1)
      run.optimizer.learningRate = rate
      values["learning rate"] = Double(rate)
    }
    run.optimizer.step()
    for parameter in parameters { parameter.clearGradient() }
    return values
  }

  /// Adds up the gradients of the step's batches; gives the mean of their losses.
  private func accumulate(
    _ weight: Weight?,
    _ loss: Loss,
    _ current: inout TrainingStep
  ) throws(TrainingError) -> Double {
    let parts = min(options.accumulation, batches.remaining ?? .max)
    guard let weight else {
      var total = 0.0
      for _ in 0..<parts {
        guard let batch = batches.next() else { break }
        total += try differentiate(batch, share: 1 / Float(parts), loss, &current)
      }
      return total / Double(parts)
    }
    // All batches are drawn first: the share of each depends on the others.
    let drawn = (0..<parts).compactMap { _ in batches.next() }
    let weights = drawn.map(weight)
    let sum = weights.reduce(0, +)
    expect(
      weights.allSatisfy { $0 > 0 } && sum.isFinite,
      "training run: the weights of a step's batches are \(weights), above 0 is needed"
    )
    var total = 0.0
    for (batch, weight) in zip(drawn, weights) {
      let share = weight / sum
      total += try share * differentiate(batch, share: Float(share), loss, &current)
    }
    return total
  }

  /// Adds the gradients of a batch, times its share; gives its loss.
  private func differentiate(
    _ batch: Data.Batch,
    share: Float,
    _ loss: Loss,
    _ current: inout TrainingStep
  ) throws(TrainingError) -> Double {
    let value: Variable
    do { value = try loss(batch, &current) } catch { throw .failed(step: step + 1, error) }
    try check(value.item, "loss", current.epoch, [:])
    value.backward(from: Tensor([share], shape: value.shape))
    return Double(value.item)
  }

  /// Stops the run when a value is not finite; the log keeps what it was.
  private func check(
    _ value: Float,
    _ quantity: String,
    _ epoch: Int,
    _ others: [String: Double]
  ) throws(TrainingError) {
    guard !value.isFinite else { return }
    let values = others.merging([quantity: Double(value)]) { $1 }
    try logging { () throws(RunLogError) in try log.append(step: step + 1, epoch: epoch, values) }
    throw .diverged(
      step: step + 1,
      quantity: quantity,
      value: value,
      checkpoint: folder.steps.last
    )
  }
}

// MARK: - What is due after a step

extension TrainingSession {
  private func isDue(_ interval: Int?) -> Bool { interval.map { step % $0 == 0 } ?? false }

  private func evaluate() throws(TrainingError) -> [String: Double] {
    let interval = options.evaluationInterval ?? options.checkpointInterval
    guard let evaluation = run.evaluation, isDue(interval) || step == total else { return [:] }
    run.model.eval()
    defer { run.model.train() }
    do { return try withoutGradients(evaluation) } catch { throw .failed(step: step, error) }
  }

  /// Saves a checkpoint of this step, unless there is one.
  private func save() throws(TrainingError) {
    guard step > 0, savedStep != step else { return }
    var checkpoint = TrainingCheckpoint(step: step, position: batches.position, metrics: latest)
    checkpoint.model = run.model.state(of: options.savedState)
    checkpoint.optimizer = run.optimizer.state()
    checkpoint.values = [identityName: identity, "options": options]
    do { try run.willSave?(&checkpoint) } catch { throw .failed(step: step, error) }
    try logging(log.synchronize)
    try checkpointing { () throws(CheckpointFolderError) in try folder.save(checkpoint) }
    savedStep = step
  }

  private func report(_ ending: TrainingReport.Ending) -> TrainingReport {
    TrainingReport(
      ending: ending,
      step: step,
      resumedFrom: resumedFrom,
      skipped: skipped,
      metrics: metrics
    )
  }
}

/// The name under which a checkpoint holds the run's identity.
private let identityName = "run"

@discardableResult
private func checkpointing<Result>(
  _ body: () throws(CheckpointFolderError) -> Result
) throws(TrainingError) -> Result {
  do throws(CheckpointFolderError) { return try body() } catch { throw .checkpoint(error) }
}

@discardableResult
private func logging<Result>(
  _ body: () throws(RunLogError) -> Result
) throws(TrainingError) -> Result {
  do throws(RunLogError) { return try body() } catch { throw .log(error) }
}

extension Batches {
  /// The epoch of the next batch.
  fileprivate var nextEpoch: Int {
    position.batch == sampler.batchesPerEpoch ? position.epoch + 1 : position.epoch
  }

  /// The batches before the last epoch's end; nil where there is none.
  fileprivate var remaining: Int? {
    sampler.epochs.map { ($0 - position.epoch) * sampler.batchesPerEpoch - position.batch }
  }
}
