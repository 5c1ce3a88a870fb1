public import Tensor

/// Why a federated value could not be made: names, shapes or a plan that do not fit.
public enum FederatedError: Error, Equatable, Sendable {
  /// A set of parameters has no tensor of this name.
  case missingParameter(name: String, known: [String])
  /// A set of parameters has a tensor that nobody expects; `known` lists those that fit.
  case unexpectedParameter(name: String, known: [String])
  /// A tensor has another shape than its name demands.
  case shapeMismatch(name: String, expected: Shape, found: Shape)
  /// A tensor holds a NaN or an infinity.
  case notFinite(name: String)
  /// A plan cannot be carried out on this model; the text says why.
  case invalidPlan(String)
  /// A description of a model contradicts itself; the text says where.
  case invalidDescription(String)
}

extension FederatedError: CustomStringConvertible {
  /// The fault with names and shapes.
  public var description: String {
    switch self {
    case .missingParameter(let name, let known):
      "parameters: '\(name)' is missing, there are \(listed(known))"
    case .unexpectedParameter(let name, let known):
      "parameters: '\(name)' is unexpected, known are \(listed(known))"
    case .shapeMismatch(let name, let expected, let found):
      "parameters: '\(name)' is \(found), expected \(expected)"
    case .notFinite(let name): "parameters: '\(name)' holds numbers that are not finite"
    case .invalidPlan(let reason): "device plan: \(reason)"
    case .invalidDescription(let reason): "model description: \(reason)"
    }
  }
}

/// The first names of a list, for messages.
func listed(_ names: [String]) -> String {
  let shown = names.prefix(8).map { "'\($0)'" }.joined(separator: ", ")
  return names.count > 8 ? "\(shown) and \(names.count - 8) more" : shown
}
