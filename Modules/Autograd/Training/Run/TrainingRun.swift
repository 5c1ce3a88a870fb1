import Tensor

/// A training loop that can be killed at any moment and goes on as if nothing had happened.
///
///     let run = TrainingRun(at: "run", model: model, optimizer: optimizer, options: options)
///     let batches = data.batches(of: 64, order: .shuffled(seed: 1), epochs: 10)
///     try run.train(on: batches) { batch, step in
///       crossEntropy(logits: model(batch.0), targets: batch.1)
///     }
///
/// Each step draws its batches, computes loss and gradients, clips, lets the optimizer step, and
/// logs to `run/log.jsonl`. Checkpoints lie in `run/checkpoints`; when there is one, `train` takes
/// over model and optimizer from the newest and goes on behind it. A resumed run computes the same
/// bits as one without interruption, as long as everything that a step depends on is the model, the
/// optimizer, the batch, the step's number and its generator; put what else there is into `willSave`
/// and `didResume`.
///
/// Nothing here is magic: a `for` loop over the batches with `RunLog` and `CheckpointFolder` does
/// the same, and is the better choice as soon as a step is more than this.
public struct TrainingRun {
  /// The folder of the run.
  public let path: String
  /// What is trained.
  public let model: any Module
  /// What changes it.
  public let optimizer: any TrainingOptimizer
  /// How the run proceeds.
  public var options: TrainingOptions
  /// The learning rate of a step, counted from 1; nil leaves the optimizer's.
  public var learningRate: ((_ step: Int) -> Float)?
  /// Measures the model, without a tape and with `eval()`; the names are logged beside the loss.
  public var evaluation: (() throws -> [String: Double])?
  /// Gets the progress after each step.
  public var progress: ((TrainingProgress) -> Void)?
  /// Asked before each step whether to stop; the run also stops when its task is cancelled.
  public var shouldStop: () -> Bool = { false }
  /// Adds to a checkpoint before it is saved.
  public var willSave: ((inout TrainingCheckpoint) throws -> Void)?
  /// Gets the checkpoint that the run goes on from, after model and optimizer took over theirs.
  public var didResume: ((SavedCheckpoint) throws -> Void)?

  /// A run in a folder, which is made when there is none.
  ///
  /// - Parameters:
  ///   - path: the folder of the run.
  ///   - model: what is trained.
  ///   - optimizer: what changes the model's parameters.
  ///   - options: how the run proceeds.
  public init(
    at path: String,
    model: any Module,
    optimizer: any TrainingOptimizer,
    options: TrainingOptions
  ) {
    self.path = path
    self.model = model
    self.optimizer = optimizer
    self.options = options
  }

  /// Trains until the batches or the steps of the options end, or until the run is told to stop.
  ///
  /// A run that is finished already takes over its last checkpoint and returns.
  ///
  /// - Parameters:
  ///   - batches: what steps draw from; the run sets their position.
  ///   - weight: how much the loss of a batch counts beside the others of its step, above 0: the
  ///     number of its targets, so that a step's loss is the mean over all of them. Nil counts all
  ///     batches the same.
  ///   - loss: the loss of a batch, a scalar on the tape.
  /// - Returns: why the run ended, and what it measured last.
  /// - Throws: `TrainingError`; checkpoints stay, and the folder can be resumed.
  @discardableResult
  public func train<Data: Dataset>(
    on batches: Batches<Data>,
    weighting weight: ((_ batch: Data.Batch) -> Double)? = nil,
    loss: (_ batch: Data.Batch, _ step: inout TrainingStep) throws -> Variable
  ) throws(TrainingError) -> TrainingReport {
    let session = try TrainingSession(self, batches)
    return try session.run(weight, loss)
  }

  /// The log's file.
  public var logPath: String { path + "/log.jsonl" }
  /// The folder of the checkpoints.
  public var checkpointPath: String { path + "/checkpoints" }
}
