public import Checkpoints

/// A checkpoint that cannot be used, and why.
public struct DamagedCheckpoint: Error, Hashable, Sendable, Codable {
  /// Its step.
  public var step: Int
  /// Its folder.
  public var path: String
  /// What is wrong with it.
  public var reason: String
}

/// Why checkpoints of a run could not be saved or loaded.
public enum CheckpointFolderError: Error, Equatable {
  /// A file cannot be read or written.
  case file(CheckpointError)
  /// The checkpoint of the wanted step is damaged.
  case damaged(DamagedCheckpoint)
  /// There are checkpoints, newest first, and none of them can be used.
  case allDamaged(path: String, [DamagedCheckpoint])
  /// There is no checkpoint of that step.
  case missingStep(path: String, step: Int, available: [Int])
  /// Checkpoints of later steps are in the way: another run's, or a future that this run left.
  case laterSteps(path: String, step: Int, later: [Int])
  /// The name of a group of tensors is no plain file name.
  case groupName(String)
  /// There is no group of tensors with that name.
  case missingGroup(path: String, name: String, available: [String])
  /// There is no value with that name.
  case missingValue(path: String, name: String, available: [String])
  /// A value cannot be written, or is not what the caller wants.
  case value(path: String, name: String, reason: String)
}

extension CheckpointFolderError: CustomStringConvertible {
  /// The folder, and the reason.
  public var description: String {
    switch self {
    case .file(let error): "checkpoint: \(error)"
    case .damaged(let checkpoint): "load checkpoint \(checkpoint)"
    case .allDamaged(let path, let checkpoints):
      "load checkpoint \(path): none of \(checkpoints.count) can be used; "
        + checkpoints.prefix(3).map(\.description).joined(separator: "; ")
    case .missingStep(let path, let step, let available):
      "load checkpoint \(path): none of step \(step), there are \(stepList(available))"
    case .laterSteps(let path, let step, let later):
      "save checkpoint \(path), step \(step): there are later ones, \(stepList(later)); resume "
        + "from the latest, remove them with removeCheckpoints(after:), or choose another folder"
    case .groupName(let name):
      "save checkpoint: the group name \(name.quotedForMessage) may hold ASCII letters, digits, "
        + "_ and - only"
    case .missingGroup(let path, let name, let available):
      "\(path): no tensors \(name.quotedForMessage), there are \(nameList(available))"
    case .missingValue(let path, let name, let available):
      "\(path): no value \(name.quotedForMessage), there are \(nameList(available))"
    case .value(let path, let name, let reason):
      "\(path), value \(name.quotedForMessage): \(reason)"
    }
  }
}

extension DamagedCheckpoint: CustomStringConvertible {
  /// The folder and the reason.
  public var description: String { "\(path): \(reason)" }
}

private func stepList(_ steps: [Int]) -> String {
  guard !steps.isEmpty else { return "none at all" }
  let shown = steps.suffix(10).map(String.init).joined(separator: ", ")
  return steps.count > 10 ? "… \(shown)" : shown
}

private func nameList(_ names: [String]) -> String {
  names.isEmpty ? "none" : names.sorted().prefix(20).map(\.quotedForMessage).joined(separator: ", ")
}
