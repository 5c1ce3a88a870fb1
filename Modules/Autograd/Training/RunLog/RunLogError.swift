public import Checkpoints

/// Why a run log could not be read or written.
public enum RunLogError: Error, Equatable, Sendable {
  /// The file cannot be read or written.
  case file(CheckpointError)
  /// A line, counted from 1, is no record; nothing was changed.
  case damaged(path: String, line: Int, reason: String)
  /// A new run was to be logged where another one's records are.
  case taken(path: String, records: Int, lastStep: Int)
}

extension RunLogError: CustomStringConvertible {
  /// The file, the line, and the reason.
  public var description: String {
    switch self {
    case .file(let error): "run log: \(error)"
    case .damaged(let path, let line, let reason): "run log \(path), line \(line): \(reason)"
    case .taken(let path, let records, let lastStep):
      "run log \(path): holds \(records) records of a run up to step \(lastStep); resume it after "
        + "a step, or choose another path"
    }
  }
}
