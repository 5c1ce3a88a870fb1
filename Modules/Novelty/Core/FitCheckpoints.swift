import Autograd
import Tensor

/// Something whose state a fit changes: networks, optimizers.
struct TrainingPart {
  /// The name in checkpoints: letters, digits and `-`.
  let name: String
  let state: () -> [String: Tensor<Float>]
  let load: ([String: Tensor<Float>]) throws -> Void

  init(_ name: String, _ module: some Module) {
    self.name = name
    state = { module.state() }
    load = { state in try module.load(state) }
  }

  init(_ name: String, _ optimizer: some TrainingOptimizer) {
    self.name = name
    state = { optimizer.state() }
    load = { state in try optimizer.load(state) }
  }
}

/// The checkpoints of a fit, one after each epoch, from which an interrupted one goes on.
///
/// A checkpoint of other settings or samples is refused.
struct FitCheckpoints {
  /// nil where none are kept.
  private let folder: CheckpointFolder?
  private let parts: [TrainingPart]
  /// What may not change between sessions.
  private let identity: [String: String]

  /// The checkpoints that the options ask for, of a fit of these settings and samples.
  init(
    _ options: FitOptions,
    configuration: some Encodable,
    samples: KeyValuePairs<String, (rows: Tensor<Float>?, labels: [Int32]?)>,
    parts: [TrainingPart]
  ) throws(NoveltyError) {
    self.parts = parts
    guard let path = options.checkpointPath else {
      (folder, identity) = (nil, [:])
      return
    }
    var identity = ["configuration": try DetectorFile.text(of: configuration)]
    for (name, data) in samples {
      let classes = data.labels.map { LabelGroups($0).labels } ?? []
      identity[name] = "\(data.rows?.shape ?? []), sum \(data.rows?.sum() ?? 0), \(classes)"
    }
    self.identity = identity
    folder = try checkpointing { () throws(CheckpointFolderError) in
      try CheckpointFolder(at: path, keeping: 2)
    }
  }

  /// Saves all parts, where the fit stands, and tensors beside them.
  func save(
    _ position: some Encodable,
    epoch: Int,
    _ others: [String: [String: Tensor<Float>]] = [:]
  ) throws(NoveltyError) {
    guard let folder else { return }
    var checkpoint = TrainingCheckpoint(step: epoch)
    checkpoint.tensors = others
    for part in parts { checkpoint.tensors[part.name] = part.state() }
    checkpoint.values = ["position": position, "identity": identity]
    _ = try checkpointing { () throws(CheckpointFolderError) in try folder.save(checkpoint) }
  }

  /// Brings all parts to the latest checkpoint, and gives back what `save` got beside them.
  func resume<Position: Decodable>(
    _ type: Position.Type,
    _ others: [String] = []
  ) throws(NoveltyError) -> (position: Position, others: [String: [String: Tensor<Float>]])? {
    guard let folder else { return nil }
    let latest = try checkpointing { () throws(CheckpointFolderError) in try folder.latest() }
    guard let saved = latest else { return nil }
    try check(saved, folder)
    do {
      for part in parts { try part.load(saved.tensors(part.name)) }
    } catch {
      throw .otherRun(path: saved.path, difference: "\(error)")
    }
    return try checkpointing { () throws(CheckpointFolderError) in
      var found: [String: [String: Tensor<Float>]] = [:]
      for name in others where saved.groupNames.contains(name) {
        found[name] = try saved.tensors(name)
      }
      return (try saved.value("position", as: type), found)
    }
  }

  private func check(_ saved: SavedCheckpoint, _ folder: CheckpointFolder) throws(NoveltyError) {
    let stored = try checkpointing { () throws(CheckpointFolderError) in
      try saved.value("identity", as: [String: String].self)
    }
    for (name, text) in identity.sorted(by: { $0.key < $1.key }) where stored[name] != text {
      throw .otherRun(
        path: folder.path,
        difference: "\(name) \(stored[name] ?? "unknown"), now \(text)"
      )
    }
  }
}
