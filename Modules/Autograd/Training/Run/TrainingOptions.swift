import Tensor

/// How a training run proceeds: what `TrainingRun` does beside the steps themselves.
public struct TrainingOptions: Hashable, Sendable, Codable {
  /// The source of the generators that steps get.
  public var seed: UInt64
  /// Where the run ends; nil where the batches do.
  public var steps: Int?
  /// The batches of one step: their losses are averaged, with the weights that `train` may be given,
  /// and so are their gradients.
  public var accumulation = 1
  /// The largest norm of all gradients together; larger ones are scaled down to it.
  public var maximumGradientNorm: Float?
  /// Every so many steps a record is logged.
  public var logInterval = 1
  /// Every so many steps the evaluation runs; nil evaluates with each checkpoint.
  public var evaluationInterval: Int?
  /// Every so many steps a checkpoint is saved; nil saves at the end and when the run is stopped.
  public var checkpointInterval: Int?
  /// How many of the newest checkpoints stay.
  public var keptCheckpoints = 3
  /// Which checkpoint stays beside them, by what was measured in its very step.
  public var best: BestCheckpoint?
  /// Which parameters checkpoints hold; those that are not in them must be the same in each session.
  public var savedState = StateScope.all

  /// The usual options.
  ///
  /// - Parameters:
  ///   - seed: the source of the generators that steps get.
  ///   - steps: where the run ends; nil where the batches do.
  public init(seed: UInt64, steps: Int? = nil) {
    self.seed = seed
    self.steps = steps
  }

  func check() {
    let intervals = [
      accumulation, logInterval, evaluationInterval ?? 1, checkpointInterval ?? 1, keptCheckpoints,
    ]
    expect(
      intervals.allSatisfy { $0 > 0 } && steps ?? 0 >= 0,
      "training run: steps are 0 or more, intervals and counts at least 1, \(self)"
    )
    expect(
      maximumGradientNorm ?? 1 > 0,
      "training run: the largest gradient norm is \(maximumGradientNorm ?? 0), above 0 is needed"
    )
  }
}

/// What may not change between the sessions of a run: with another value, its numbers would differ
/// from those of a run without interruption.
struct RunIdentity: Codable, Equatable {
  var seed: UInt64
  var accumulation: Int
  var maximumGradientNorm: Float?
  var exampleCount: Int
  var batchSize: Int
  var order: ExampleOrder
  var dropsRemainder: Bool

  init(_ options: TrainingOptions, _ sampler: BatchSampler) {
    seed = options.seed
    accumulation = options.accumulation
    maximumGradientNorm = options.maximumGradientNorm
    exampleCount = sampler.count
    batchSize = sampler.batchSize
    order = sampler.order
    dropsRemainder = sampler.dropsRemainder
  }

  /// The first difference, as a sentence's end; nil when there is none.
  func difference(to other: RunIdentity) -> String? {
    func text(_ name: String, _ mine: some Equatable, _ theirs: some Equatable) -> String? {
      "\(mine)" == "\(theirs)" ? nil : "\(name) \(mine), now \(theirs)"
    }
    return text("seed", seed, other.seed)
      ?? text("accumulation", accumulation, other.accumulation)
      ?? text(
        "maximum gradient norm",
        maximumGradientNorm.map { "\($0)" } ?? "none",
        other.maximumGradientNorm.map { "\($0)" } ?? "none"
      )
      ?? text("examples", exampleCount, other.exampleCount)
      ?? text("batch size", batchSize, other.batchSize)
      ?? text("order", order, other.order)
      ?? text("drops the remainder", dropsRemainder, other.dropsRemainder)
  }
}
