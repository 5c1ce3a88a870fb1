import Autograd
import Foundation
import Tensor

/// The epochs of a training: order, schedule, validation, early stopping and checkpoints.
struct OAAERun {
  let training: OAAETraining
  /// [N × D].
  let rows: Tensor<Float>
  /// The classes as users gave them; nil for one class.
  let labels: [Int32]?
  /// [M × D].
  let validation: Tensor<Float>?
  let options: FitOptions
  private let start = RunLog.uptime()
  private var position = Position()
  private var best: [String: Tensor<Float>]?

  private var configuration: OAAE.Configuration { training.configuration }
  private var batchSize: Int { min(configuration.batchSize, rows.shape[0]) }
  private var batchesPerEpoch: Int { rows.shape[0] / batchSize }

  /// What a checkpoint holds beside weights.
  private struct Position: Codable {
    var records: [EpochRecord] = []
    var bestLoss: Double?
    var bestEpoch = 0
    var isDone = false
  }

  init(
    _ training: OAAETraining,
    rows: Tensor<Float>,
    labels: [Int32]?,
    validation: Tensor<Float>?,
    options: FitOptions
  ) {
    self.training = training
    self.rows = rows
    self.labels = labels
    self.validation = validation
    self.options = options
  }

  /// Trains; the networks hold the result afterwards.
  mutating func run() throws(NoveltyError) -> FitReport {
    let checkpoints = try checkpoints()
    try resume(checkpoints)
    var ending = FitReport.Ending.finished
    while position.records.count < configuration.epochs, !position.isDone {
      if options.shouldStop() || Task.isCancelled {
        ending = .interrupted
        break
      }
      let record = try trainEpoch(position.records.count)
      position.records.append(record)
      judge(record)
      try checkpoints.save(position, epoch: record.epoch, best.map { ["best": $0] } ?? [:])
      options.progress?(
        FitProgress(epoch: record.epoch, epochs: configuration.epochs, record: record)
      )
    }
    if position.isDone {
      ending = .stoppedEarly
      if let best {
        do throws(ModuleError) { try training.networks.load(best) } catch { throw .network(error) }
      }
    }
    training.networks.eval()
    return FitReport(
      ending: ending,
      epochs: position.records,
      seconds: RunLog.uptime() - start
    )
  }

  private func trainEpoch(_ epoch: Int) throws(NoveltyError) -> EpochRecord {
    let start = RunLog.uptime()
    training.networks.train()
    let order = EpochOrder(configuration, labels, count: rows.shape[0])(epoch)
    var losses = LossMeans()
    for batch in 0..<batchesPerEpoch {
      let step = epoch * batchesPerEpoch + batch
      training.learningRate = rate(step)
      let places = order[batch * batchSize..<(batch + 1) * batchSize]
      let found = try training.step(
        rows.rows(places),
        labels: labels.map { labels in places.map { labels[Int($0)] } },
        noise: noise(step)
      )
      try losses.add(found.named, epoch: epoch + 1)
    }
    training.networks.eval()
    return EpochRecord(
      epoch: epoch + 1,
      losses: losses.means,
      validation: validation.map(validationLoss),
      geometry: try geometry(),
      seconds: RunLog.uptime() - start
    )
  }

  private func rate(_ step: Int) -> Float {
    let steps = Double(configuration.epochs * batchesPerEpoch)
    let hasDecayed = Double(step) >= configuration.decayStart * steps
    return configuration.learningRate * (hasDecayed ? configuration.decayFactor : 1)
  }

  private func noise(_ step: Int) -> Tensor<Float> {
    var generator = Philox(seed: configuration.seed).fork(OAAETraining.Stream.noise).fork(step)
    return .normal([batchSize, configuration.latentWidth], using: &generator)
  }

  /// mean ‖x − x̂‖² of the validation samples.
  private func validationLoss(_ samples: Tensor<Float>) -> Double {
    let networks = training.networks
    var sum = 0.0
    samples.forEachBatch(of: 1024) { batch in
      let output = withoutGradients { networks.decoder(networks.encoder(Variable(batch))).value }
      sum += output.rowSquaredDistances(to: batch).reduce(0) { $0 + Double($1) }
    }
    return sum / Double(samples.shape[0])
  }

  /// The geometry of the latents of some samples, evenly spread over all.
  private func geometry() throws(NoveltyError) -> LatentGeometry {
    let count = min(rows.shape[0], 2048)
    let places = (0..<count).map { $0 * rows.shape[0] / count }
    var latents: [Tensor<Float>] = []
    for start in stride(from: 0, to: count, by: 512) {
      let batch = places[start..<min(start + 512, count)].map { Int32($0) }
      latents.append(training.networks.encoder(rows.rows(batch)))
    }
    let groups =
      labels.map { labels in LabelGroups(places.map { labels[$0] }) } ?? LabelGroups(count: count)
    return try LatentGeometry(of: .concatenating(latents), groups)
  }

  /// Notes the best epoch, and whether it lies too far back.
  private mutating func judge(_ record: EpochRecord) {
    guard let loss = record.validation, let patience = configuration.patience else { return }
    if loss < position.bestLoss ?? .infinity {
      (position.bestLoss, position.bestEpoch) = (loss, record.epoch)
      best = training.networks.state()
    } else if record.epoch - position.bestEpoch >= patience {
      position.isDone = true
    }
  }
}

// MARK: - Checkpoints

extension OAAERun {
  private func checkpoints() throws(NoveltyError) -> FitCheckpoints {
    try FitCheckpoints(
      options,
      configuration: configuration,
      samples: ["samples": (rows, labels), "validation": (validation, nil)],
      parts: training.parts
    )
  }

  private mutating func resume(_ checkpoints: FitCheckpoints) throws(NoveltyError) {
    guard let found = try checkpoints.resume(Position.self, ["best"]) else { return }
    position = found.position
    best = found.others["best"]
  }
}

/// The order of the samples in each epoch.
struct EpochOrder {
  private let count: Int
  private let source: Philox
  /// The rows of each class, when batches are made of groups.
  private let groups: [[Int]]?

  /// Rows of one class that stay together.
  private static let groupSize = 4

  init(_ configuration: OAAE.Configuration, _ labels: [Int32]?, count: Int) {
    self.count = count
    source = Philox(seed: configuration.seed).fork(OAAETraining.Stream.order)
    guard let labels, configuration.sampling != .shuffled else {
      groups = nil
      return
    }
    let classes = LabelGroups(labels).rows
    groups = configuration.sampling == .classGroups || classes.count >= 50 ? classes : nil
  }

  /// Every sample once; a function of the seed and the epoch alone.
  func callAsFunction(_ epoch: Int) -> [Int32] {
    var generator = source.fork(epoch)
    guard let groups else { return Tensor.permutation(count, using: &generator).elements }
    var chunks: [ArraySlice<Int32>] = []
    for rows in groups {
      let order = Tensor.permutation(rows.count, using: &generator).elements
      let shuffled = order.map { Int32(rows[Int($0)]) }
      for start in stride(from: 0, to: rows.count, by: Self.groupSize) {
        chunks.append(shuffled[start..<min(start + Self.groupSize, rows.count)])
      }
    }
    let order = Tensor.permutation(chunks.count, using: &generator).elements
    return order.flatMap { chunks[Int($0)] }
  }
}

extension Tensor where Element == Float {
  /// Calls `body` with rows, at most `size` at a time.
  func forEachBatch<Failure: Error>(
    of size: Int,
    _ body: (Tensor) throws(Failure) -> Void
  ) throws(Failure) {
    for start in stride(from: 0, to: shape[0], by: size) {
      try body(self[start..<Swift.min(start + size, shape[0])])
    }
  }
}
