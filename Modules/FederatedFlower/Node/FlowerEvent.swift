/// What a node reports while it runs.
public enum FlowerEvent: Sendable, Equatable {
  /// The node is active under this number.
  case activated(nodeID: UInt64)
  /// A sign of life failed.
  case heartbeatFailed(reason: String)
  /// The server had forgotten the node, or thought it gone.
  case reactivating
  /// A call failed for now.
  case retrying(call: String, reason: String, wait: Duration)
  /// The server's time is that many seconds ahead of the system's.
  case clockAdjusted(seconds: Double)
  /// The server has something to say about versions.
  case versionMessage(String)
  /// A message arrived.
  case received(type: String, run: UInt64, bytes: Int)
  /// A reply was taken by the server.
  case replied(type: String, run: UInt64, bytes: Int, seconds: Double)
  /// An error was sent in place of a reply.
  case failed(type: String, run: UInt64, failure: FlowerFailure)
  /// The work on a message that an earlier process left is taken up again.
  case resuming(type: String, run: UInt64)
  /// A message could not be answered.
  case dropped(type: String, run: UInt64, reason: String)
  /// The file of unfinished work could not be used; the node works without it.
  case journalFailed(reason: String)
  /// The node left the federation.
  case left
}

extension FlowerEvent: CustomStringConvertible {
  /// The event in words.
  public var description: String {
    switch self {
    case .activated(let id): "active as node \(id)"
    case .heartbeatFailed(let reason): "heartbeat failed: \(reason)"
    case .reactivating: "the server counts this node as gone, activating again"
    case .retrying(let call, let reason, let wait): "\(call) failed (\(reason)), again in \(wait)"
    case .clockAdjusted(let seconds): "the server's clock is ahead by \(seconds) s"
    case .versionMessage(let text): "the server says: \(text)"
    case .received(let type, let run, let bytes): "\(type) of run \(run), \(bytes) bytes"
    case .replied(let type, let run, let bytes, let seconds):
      "answered \(type) of run \(run), \(bytes) bytes, \(seconds) s of work"
    case .failed(let type, let run, let failure):
      "answered \(type) of run \(run) with an error: \(failure.reason)"
    case .resuming(let type, let run): "resuming \(type) of run \(run)"
    case .dropped(let type, let run, let reason): "dropped \(type) of run \(run): \(reason)"
    case .journalFailed(let reason): "unfinished work is not remembered: \(reason)"
    case .left: "left"
    }
  }
}
