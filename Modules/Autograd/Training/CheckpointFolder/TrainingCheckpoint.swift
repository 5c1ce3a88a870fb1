public import Tensor

/// Everything that a run needs to go on later, ready to be saved.
///
///     var checkpoint = TrainingCheckpoint(step: step, position: batches.position)
///     checkpoint.model = model.state()
///     checkpoint.values["generator"] = generator
///     checkpoint.values["configuration"] = configuration
///     try folder.save(checkpoint)
public struct TrainingCheckpoint {
  /// The steps done.
  public var step: Int
  /// The next batch.
  public var position: BatchPosition
  /// What was measured last, by name: retention may choose the best by it.
  public var metrics: [String: Double]
  /// Groups of named tensors; each becomes a file GROUP.safetensors.
  ///
  /// A group is named in ASCII letters, digits, `_` and `-`.
  public var tensors: [String: [String: Tensor<Float>]] = [:]
  /// Everything else by name: generators, the schedule, the configuration, your own state.
  ///
  /// Numbers come back bit by bit, also NaN and infinity; read with `SavedCheckpoint.value(_:as:)`.
  public var values: [String: any Encodable] = [:]

  /// A checkpoint without tensors at a step.
  public init(
    step: Int,
    position: BatchPosition = BatchPosition(),
    metrics: [String: Double] = [:]
  ) {
    self.step = step
    self.position = position
    self.metrics = metrics
  }

  /// The group `model`: parameters and buffers.
  public var model: [String: Tensor<Float>] {
    get { tensors["model"] ?? [:] }
    set { tensors["model"] = newValue }
  }

  /// The group `optimizer`: moments and the like.
  public var optimizer: [String: Tensor<Float>] {
    get { tensors["optimizer"] ?? [:] }
    set { tensors["optimizer"] = newValue }
  }
}
