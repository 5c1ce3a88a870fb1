/// Why a measurement could not be made.
enum BenchError: Error, CustomStringConvertible {
  /// The Python that was asked for does not run the peer.
  case peerUnusable(python: String, reason: String)
  /// The peer answered with a fault, or ended.
  case peerFailed(String)
  /// The two sides compute different things, so that their times mean nothing.
  case disagreement(String)
  /// The suite needs a model.
  case noModel(String)
  /// A file cannot be written.
  case unwritable(path: String)

  var description: String {
    switch self {
    case .peerUnusable(let python, let reason): "cannot use \(python) as the peer: \(reason)"
    case .peerFailed(let reason): "the peer failed: \(reason)"
    case .disagreement(let what): "nothing is timed, the sides disagree: \(what)"
    case .noModel(let what): what
    case .unwritable(let path): "cannot write \(path)"
    }
  }
}
