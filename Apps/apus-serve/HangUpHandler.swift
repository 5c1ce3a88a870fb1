import Hummingbird
import NIOCore
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

  fileprivate func close() {
    let watchers = state.withLock { state in
      defer { (state.hasGone, state.watchers) = (true, []) }
      return state.watchers
    }
    for watcher in watchers { watcher() }
  }
}

/// Notices that a client hangs up, also while nothing is read from it or written to it.
final class HangUpHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = NIOAny

  let connection = Connection()

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    // A client that closes its writing side waits for nothing: so all of them do it.
    if event as? ChannelEvent == .inputClosed { connection.close() }
    context.fireUserInboundEventTriggered(event)
  }

  func channelInactive(context: ChannelHandlerContext) {
    connection.close()
    context.fireChannelInactive()
  }
}

/// What belongs to a request: its connection.
struct ServingContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  let channel: any Channel

  init(source: Source) {
    coreContext = CoreRequestContextStorage(source: source)
    channel = source.channel
  }

  /// The connection.
  ///
  /// - Throws: what NIO throws where the server was built without the handler, or the client has gone.
  var connection: Connection {
    get async throws {
      try await channel.pipeline.handler(type: HangUpHandler.self).map(\.connection).get()
    }
  }
}
