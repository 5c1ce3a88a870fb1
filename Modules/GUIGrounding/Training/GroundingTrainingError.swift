/// Why a policy cannot be trained on examples.
public enum GroundingTrainingError: Error, Equatable {
  /// There are no examples, or fewer than a step takes.
  case fewExamples(count: Int, needed: Int)
  /// The target of an example has no place to click.
  case noCenter(instruction: String)
  /// A number of the options is out of its range.
  case option(String)
  /// The folder holds a run with other options.
  case otherOptions(path: String, difference: String)
  /// The frozen policy in the folder of a run cannot be read or written.
  case frozenPolicy(path: String, reason: String)
  /// The policy solves too few of the examples to learn from its own responses.
  case unsolved(step: Int, tried: Int)
}

extension GroundingTrainingError: CustomStringConvertible {
  /// What is wrong, and what is needed.
  public var description: String {
    switch self {
    case .fewExamples(let count, let needed):
      "training: \(count) examples, at least \(needed) are needed"
    case .noCenter(let instruction):
      "training: the target of \(instruction.prefix(80).debugDescription) has no place to click"
    case .option(let text): "training options: \(text)"
    case .otherOptions(let path, let difference):
      "resume \(path): its checkpoint is of another run: \(difference); choose another folder"
    case .frozenPolicy(let path, let reason): "training, frozen policy \(path): \(reason)"
    case .unsolved(let step, let tried):
      "training, step \(step): the policy solves none of \(tried) examples; train it longer first"
    }
  }
}
