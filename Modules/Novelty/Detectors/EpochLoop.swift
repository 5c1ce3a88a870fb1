import Autograd
import Foundation
import Tensor

/// Epochs of shuffled batches, for methods whose step is a closure; they go on from checkpoints.
struct EpochLoop {
  let epochs: Int
  let batchSize: Int
  let seed: UInt64
  let options: FitOptions

  /// Where a step lies.
  struct Step {
    /// From 0, over all epochs.
    let index: Int
    /// The part of all steps that is done, 0 ..< 1.
    let share: Double
  }

  /// Calls `body` with every batch that is not done yet; it returns the losses.
  func run(
    _ rows: Tensor<Float>,
    _ checkpoints: FitCheckpoints,
    _ body: (Tensor<Float>, Step) throws(NoveltyError) -> [(name: String, value: Double)]
  ) throws(NoveltyError) -> FitReport {
    let start = RunLog.uptime()
    var report = FitReport()
    report.epochs = try checkpoints.resume([EpochRecord].self)?.position ?? []
    while report.epochs.count < epochs {
      if options.shouldStop() || Task.isCancelled {
        report.ending = .interrupted
        break
      }
      let record = try runEpoch(report.epochs.count, rows, body)
      report.epochs.append(record)
      try checkpoints.save(report.epochs, epoch: record.epoch)
      options.progress?(FitProgress(epoch: record.epoch, epochs: epochs, record: record))
    }
    report.seconds = RunLog.uptime() - start
    return report
  }

  private func runEpoch(
    _ epoch: Int,
    _ rows: Tensor<Float>,
    _ body: (Tensor<Float>, Step) throws(NoveltyError) -> [(name: String, value: Double)]
  ) throws(NoveltyError) -> EpochRecord {
    let start = RunLog.uptime()
    let size = min(batchSize, rows.shape[0])
    let batches = rows.shape[0] / size
    var generator = Philox(seed: seed).fork(OAAETraining.Stream.order).fork(epoch)
    let order = Tensor.permutation(rows.shape[0], using: &generator).elements
    var losses = LossMeans()
    for batch in 0..<batches {
      let index = epoch * batches + batch
      let step = Step(index: index, share: Double(index) / Double(epochs * batches))
      let places = order[batch * size..<(batch + 1) * size]
      try losses.add(try body(rows.rows(places), step), epoch: epoch + 1)
    }
    return EpochRecord(
      epoch: epoch + 1,
      losses: losses.means,
      seconds: RunLog.uptime() - start
    )
  }
}
