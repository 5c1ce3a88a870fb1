/// Why a training run stopped before its end.
public enum TrainingError: Error {
  /// A loss or a gradient is not finite; the model has the values from before this step.
  ///
  /// `quantity` says what diverged; `checkpoint` is the step of the newest checkpoint, nil when
  /// there is none.
  case diverged(step: Int, quantity: String, value: Float, checkpoint: Int?)
  /// Another process, or another run of this one, trains in the folder.
  case inUse(path: String)
  /// The checkpoint in the folder is of a run whose numbers would differ.
  case otherRun(path: String, difference: String)
  /// The state in a checkpoint does not fit the model or the optimizer.
  case state(path: String, reason: String)
  /// What the caller passed in threw an error, in the loss, the evaluation or a hook.
  case failed(step: Int, any Error)
  /// The log cannot be read or written.
  case log(RunLogError)
  /// A checkpoint cannot be saved or loaded.
  case checkpoint(CheckpointFolderError)
}

extension TrainingError: CustomStringConvertible {
  /// The step or the place, and the reason.
  public var description: String {
    switch self {
    case .diverged(let step, let quantity, let value, let checkpoint):
      "training, step \(step): the \(quantity) is \(value); "
        + (checkpoint.map { "the newest checkpoint is of step \($0)" } ?? "there is no checkpoint")
    case .inUse(let path):
      "\(path) is in use by another training run; wait for its end or choose another folder"
    case .otherRun(let path, let difference):
      "resume \(path): its checkpoint is of another run: \(difference); choose another folder"
    case .state(let path, let reason): "resume \(path): \(reason)"
    case .failed(let step, let error): "training, step \(step): \(error)"
    case .log(let error): "\(error)"
    case .checkpoint(let error): "\(error)"
    }
  }
}
