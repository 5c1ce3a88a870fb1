public import Tensor

/// Why an optimizer could not take over a state; nothing of it was taken over.
public enum OptimizerStateError: Error, Equatable {
  /// The state has a part of what belongs to a parameter, but not this tensor.
  case missingTensor(name: String, found: [String])
  /// No parameter of the optimizer has this tensor; `known` lists those that there are.
  case unexpectedTensor(name: String, known: [String])
  /// The tensor has another shape than the parameter.
  case shapeMismatch(name: String, expected: Shape, found: Shape)
  /// The tensor is no count of steps.
  case invalidStepCount(name: String, found: [Float])
}

extension OptimizerStateError: CustomStringConvertible {
  /// The fault with names and shapes.
  public var description: String {
    switch self {
    case .missingTensor(let name, let found):
      "optimizer state: \(list([name])) is missing beside \(list(found))"
    case .unexpectedTensor(let name, let known):
      "optimizer state: \(list([name])) is unexpected, known: \(list(known))"
    case .shapeMismatch(let name, let expected, let found):
      "optimizer state: \(list([name])) is \(found), expected \(expected)"
    case .invalidStepCount(let name, let found):
      "optimizer state: \(list([name])) is no count of steps: \(found)"
    }
  }
}
