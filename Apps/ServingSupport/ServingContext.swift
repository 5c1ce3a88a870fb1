import Hummingbird
import NIOCore

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
