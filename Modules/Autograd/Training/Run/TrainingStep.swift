public import Tensor

/// The step that a loss is computed for.
public struct TrainingStep {
  /// The number of the step, counted from 1.
  public let step: Int
  /// The epoch that its first batch is of, counted from 0.
  public let epoch: Int
  /// Random numbers of this step: a function of the seed and the step alone.
  public var generator: Philox
  private var sums: [String: (total: Double, count: Int)] = [:]

  init(_ step: Int, epoch: Int, seed: UInt64) {
    self.step = step
    self.epoch = epoch
    generator = Philox(seed: seed).fork(step)
  }

  /// Logs a value with the loss; where a step has several batches, their mean.
  public mutating func measure(_ name: String, _ value: Float) {
    let (total, count) = sums[name] ?? (0, 0)
    sums[name] = (total + Double(value), count + 1)
  }

  /// Logs a number with the loss; where a step has several batches, their sum.
  public mutating func count(_ name: String, _ value: Int) {
    sums[name] = ((sums[name]?.total ?? 0) + Double(value), 1)
  }

  /// What is logged: means of what was measured, sums of what was counted.
  var values: [String: Double] { sums.mapValues { $0.total / Double($0.count) } }
}

/// What came of a training run.
public struct TrainingReport: Hashable, Sendable, Codable {
  /// Why a run ended.
  public enum Ending: String, Hashable, Sendable, Codable {
    /// All steps are done.
    case finished
    /// The task was cancelled, or `shouldStop` said so; the state is saved.
    case stopped
  }

  /// Why the run ended.
  public var ending: Ending
  /// The steps done, those of earlier sessions included.
  public var step: Int
  /// The step that this session went on from; 0 for a new run.
  public var resumedFrom: Int
  /// The newer checkpoints that were damaged and passed over when the run was resumed.
  public var skipped: [DamagedCheckpoint]
  /// The value of each metric when it was last measured in this session.
  public var metrics: [String: Double]
}
