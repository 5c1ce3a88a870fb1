import Crypto
public import Federated
import Tensor

/// What is learned, as both sides of a network and a folder of state tell it.
///
/// Two tasks are the same when their names and the descriptions of their models are: names, shapes,
/// wiring and layers. The data are not looked at, for each side has its own.
public struct SharedTask: Codable, Hashable, Sendable {
  /// The name of the task.
  public var name: String
  /// How many numbers its model has.
  public var parameterCount: Int
  /// The SHA-256 of the model's description as JSON with sorted keys, in hexadecimal.
  public var digest: String

  /// The identity of a task.
  public init(_ task: any FederatedTask) {
    let model = task.model
    name = task.name
    parameterCount = model.parameters.reduce(0) { $0 + model.shape(of: $1).count }
    digest = RequestSignature.digest(of: ServiceJSON.encoded(model))
  }

  /// What is out of range, in words; nil when it can be one.
  var fault: String? {
    if name.isEmpty || name.utf8.count > 256 {
      return "a task's name of \(name.utf8.count) bytes, 1 to 256 are allowed"
    }
    return digest.utf8.count == 64 ? nil : "a task's digest of \(digest.utf8.count) bytes"
  }
}

extension SharedTask: CustomStringConvertible {
  /// Name, size and the beginning of the digest.
  public var description: String {
    "'\(name)' (\(parameterCount) parameters, model \(digest.prefix(12)))"
  }
}
