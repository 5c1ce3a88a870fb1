public import Autograd
public import Tensor

extension RoundEngine {
  /// What a checkpoint tells apart runs by.
  private struct Identity: Codable, Equatable {
    var settings: RoundSettings
    var aggregation: AggregationSettings
    var parameters: [ParameterDescription]
  }

  private var identity: Identity {
    Identity(settings: settings, aggregation: aggregation, parameters: description.parameters)
  }

  /// Writes the state of the run and goes on to the next round.
  ///
  /// The checkpoint appears complete or not at all; a run that begins from it gives the same bits.
  ///
  /// - Parameters:
  ///   - folder: the checkpoints of this run.
  ///   - values: what else belongs to the run, by name.
  ///   - tensors: the same, groups of tensors.
  /// - Throws: `CheckpointFolderError`, or `RoundError.wrongPhase`; the round is then not over.
  public mutating func save(
    in folder: CheckpointFolder,
    values: [String: any Encodable] = [:],
    tensors: [String: [String: Tensor<Float>]] = [:]
  ) throws {
    var next = self
    try next.continueWithoutCheckpoint()
    var checkpoint = TrainingCheckpoint(step: next.state.round)
    if let accuracy = next.state.reports.last?.evaluation?.accuracy {
      checkpoint.metrics["accuracy"] = accuracy
    }
    checkpoint.values = values
    checkpoint.values["round"] = next.state
    checkpoint.values["identity"] = identity
    checkpoint.tensors = tensors
    checkpoint.model = next.model.dictionary
    checkpoint.optimizer = next.optimizer.state()
    for (version, parameters) in next.earlierModels {
      checkpoint.tensors["\(Self.versionPrefix)\(version)"] = parameters.dictionary
    }
    for (round, parameters) in next.maskModels {
      checkpoint.tensors["\(Self.maskPrefix)\(round)"] = parameters.dictionary
    }
    try folder.save(checkpoint)
    self = next
  }

  private static let versionPrefix = "version-"
  private static let maskPrefix = "masks-"

  /// Takes over the state of a checkpoint of the same run.
  ///
  /// - Throws: `RoundError.checkpoint` where it is of another run, and what reading throws.
  public mutating func restore(_ saved: SavedCheckpoint) throws {
    let found = try saved.value("identity", as: Identity.self)
    guard found == identity else {
      throw RoundError.checkpoint("\(saved.path) is of a run with other settings or another model")
    }
    var next = self
    next.state = try saved.value("round", as: RoundState.self)
    guard next.state.seed == state.seed else {
      throw RoundError.checkpoint("\(saved.path) is of seed \(next.state.seed), not \(state.seed)")
    }
    next.model = try ordered(saved.model(), saved.path)
    try next.optimizer.load(saved.optimizer(), like: next.model)
    (next.earlierModels, next.maskModels) = ([:], [:])
    for group in saved.groupNames {
      if let version = Self.number(of: group, after: Self.versionPrefix) {
        next.earlierModels[version] = try ordered(saved.tensors(group), saved.path)
      }
      if let round = Self.number(of: group, after: Self.maskPrefix) {
        next.maskModels[round] = try ordered(saved.tensors(group), saved.path)
      }
    }
    next.accumulator = CoverageAccumulator(like: next.model)
    (next.pending, next.reserve, next.coverage) = ([], [], nil)
    self = next
  }

  private static func number(of group: String, after prefix: String) -> Int? {
    group.hasPrefix(prefix) ? Int(group.dropFirst(prefix.count)) : nil
  }

  /// Tensors of a file in the order of the model, in memory of their own.
  private func ordered(
    _ tensors: [String: Tensor<Float>],
    _ path: String
  ) throws(RoundError) -> ParameterSet {
    var result = ParameterSet()
    for parameter in description.parameters {
      guard let tensor = tensors[parameter.name] else {
        throw .checkpoint("\(path) has no tensor \(parameter.name)")
      }
      result[parameter.name] = Tensor(tensor.elements, shape: tensor.shape)
    }
    do throws(FederatedError) { try description.check(result) } catch {
      throw .checkpoint("\(path): \(error)")
    }
    return result
  }
}
