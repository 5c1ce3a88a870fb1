import Synchronization

/// Whether the client of a connection has gone.
final class Connection: Sendable {
  private struct State {
    var hasGone = false
    var watchers: [@Sendable () -> Void] = []
  }

  private let state = Mutex(State())

  /// Whether the client has closed its side.
  var hasGone: Bool { state.withLock { $0.hasGone } }

  /// Calls `body` once the client has gone; at once, if it has.
  func whenGone(_ body: @escaping @Sendable () -> Void) {
    let hasGone = state.withLock { state in
      if !state.hasGone { state.watchers.append(body) }
      return state.hasGone
    }
    if hasGone { body() }
  }

  /// Forgets who waits for the end: the exchange is over, and a connection has one at a time.
  func forgetWatchers() { state.withLock { $0.watchers = [] } }

  func close() {
    let watchers = state.withLock { state in
      defer { (state.hasGone, state.watchers) = (true, []) }
      return state.watchers
    }
    for watcher in watchers { watcher() }
  }
}
