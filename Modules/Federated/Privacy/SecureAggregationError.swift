/// Why a secure sum cannot be made.
public enum SecureAggregationError: Error, Equatable, Sendable {
  /// Fewer shares of a secret came back than are needed.
  case tooFewShares(found: Int, needed: Int)
  /// Shares contradict each other or are no shares.
  case invalidShares
  /// Fewer clients uploaded than are needed.
  case tooFewClients(found: Int, needed: Int)
  /// A client is not in the session.
  case unknownClient(Int)
  /// An upload has another length than the session's vectors.
  case wrongLength(client: Int, expected: Int, found: Int)
  /// Both secrets of a client were asked for: that would uncover its numbers.
  case bothSecrets(client: Int)
  /// A public key of a client is missing, or does not belong to its secret.
  case wrongKey(client: Int)
}

extension SecureAggregationError: CustomStringConvertible {
  /// The fault.
  public var description: String {
    switch self {
    case .tooFewShares(let found, let needed):
      "secure aggregation: \(found) shares, \(needed) are needed"
    case .invalidShares: "secure aggregation: the shares give no secret"
    case .tooFewClients(let found, let needed):
      "secure aggregation: \(found) clients, \(needed) are needed"
    case .unknownClient(let client): "secure aggregation: client \(client) is not in the session"
    case .wrongLength(let client, let expected, let found):
      "secure aggregation: client \(client) sent \(found) numbers, expected \(expected)"
    case .bothSecrets(let client):
      "secure aggregation: both secrets of client \(client) were asked for, only one may be told"
    case .wrongKey(let client):
      "secure aggregation: the key of client \(client) is missing or not its own"
    }
  }
}
