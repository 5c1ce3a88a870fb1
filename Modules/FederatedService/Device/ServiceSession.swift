import Synchronization

/// The session of the server, as its last answer named it; empty before the first one.
final class ServiceSession: Sendable {
  private let last = Mutex("")

  /// What the next request is signed for.
  var name: String { last.withLock { $0 } }

  /// Takes the session of an answer, where it names one.
  func take(_ headers: [String: String]) {
    guard let name = headers[RequestSignature.Field.session], RequestSignature.isToken(name) else {
      return
    }
    last.withLock { $0 = name }
  }
}
