/// Why a node cannot go on, or cannot use what it got.
public enum FlowerError: Error, Equatable, Sendable {
  /// The address of the server is none.
  case invalidAddress(String, reason: String)
  /// The file with the authority's certificate cannot be used.
  case certificate(path: String, reason: String)
  /// The key file cannot be read, written or understood.
  case keyFile(path: String, reason: String)
  /// The server did not answer in the time that the configuration allows.
  case unreachable(call: String, reason: String)
  /// The server does not know the key, the signature or the time.
  case unauthenticated(call: String, detail: String)
  /// The server has no such call: it is older than Flower 1.40, or the address has another path.
  case noSuchCall(String)
  /// The server refused; the code is Flower's where the answer had one.
  case refused(call: String, status: Int, code: Int?, detail: String)
  /// The answer is not what the call returns.
  case malformedAnswer(call: String, reason: String)
  /// An object breaks its format or does not have the hash that names it.
  case malformedObject(id: String, reason: String)
  /// The server does not have an object of a message.
  case missingObject(id: String)
  /// A message or an answer is larger than the configuration allows.
  case tooLarge(what: String, limit: Int)
  /// An array has a type or a shape that is not supported.
  case unsupportedArray(reason: String)
  /// A metric is neither a number nor a list of numbers.
  case invalidMetric(name: String)
  /// The reply was registered, but the server did not take its objects.
  case replyNotStored(messageID: String)
  /// The file that remembers unfinished work cannot be used.
  case journal(path: String, reason: String)
  /// The task was cancelled.
  case cancelled
}

extension FlowerError {
  /// Whether the run of a message ended, or the node left its federation: the work is void.
  var isEndOfRun: Bool {
    guard case .refused(_, 403, _, _) = self else { return false }
    return true
  }
}

extension FlowerError: CustomStringConvertible {
  /// What failed, why, and what to do about it.
  public var description: String {
    switch self {
    case .invalidAddress(let address, let reason): "flower address \(address): \(reason)"
    case .certificate(let path, let reason): "flower certificate \(path): \(reason)"
    case .keyFile(let path, let reason): "flower key \(path): \(reason)"
    case .unreachable(let call, let reason): "flower \(call): no answer, \(reason)"
    case .unauthenticated(let call, let detail):
      "flower \(call): not authenticated (\(detail)); check the clock and that the public key is "
        + "registered with the server"
    case .noSuchCall(let call):
      "flower \(call): the server has no such call; it must be Flower 1.40 or later, and the "
        + "address that of its HTTP API"
    case .refused(let call, let status, let code, let detail):
      "flower \(call): refused, status \(status)" + (code.map { ", code \($0)" } ?? "")
        + ", \(detail)"
    case .malformedAnswer(let call, let reason): "flower \(call): malformed answer, \(reason)"
    case .malformedObject(let id, let reason): "flower object \(id.prefix(64)): \(reason)"
    case .missingObject(let id): "flower object \(id.prefix(64)): the server does not have it"
    case .tooLarge(let what, let limit): "flower \(what): larger than the limit of \(limit)"
    case .unsupportedArray(let reason): "flower array: \(reason)"
    case .invalidMetric(let name): "flower metric \(name): neither a number nor a list of numbers"
    case .replyNotStored(let id): "flower reply \(id): the server did not store its objects"
    case .journal(let path, let reason): "flower journal \(path): \(reason)"
    case .cancelled: "flower: cancelled"
    }
  }
}
