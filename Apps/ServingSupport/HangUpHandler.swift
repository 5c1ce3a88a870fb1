import NIOCore

/// Notices that a client hangs up, also while nothing is read from it or written to it.
final class HangUpHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = NIOAny

  let connection = Connection()

  func handlerAdded(context: ChannelHandlerContext) {
    // Hummingbird takes handlers here alone, where parts of HTTP have types of its own already.
    do { try MalformedRequestHandler.add(to: context.pipeline) } catch {
      context.fireErrorCaught(error)
    }
  }

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
