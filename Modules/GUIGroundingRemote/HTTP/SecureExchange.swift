import NIOCore
import NIOSSL
import NIOTLS

/// One exchange over a connection with TLS: shake hands, send, read until the reply is whole.
///
/// Bytes are read as they come and never kept beyond the limit of the reply: what is longer ends the
/// exchange, and the connection with it.
final class SecureExchange: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let request: HTTPRequestBytes
  private let number: Int
  private let table: ExchangeTable
  private let tls: NIOSSLClientHandler
  private var parser: HTTPReplyParser
  private var isOver = false

  init(
    _ request: HTTPRequestBytes,
    _ number: Int,
    _ table: ExchangeTable,
    _ limits: HTTPLimits,
    _ tls: NIOSSLClientHandler
  ) {
    self.request = request
    self.number = number
    self.table = table
    self.tls = tls
    parser = HTTPReplyParser(limit: limits.bodyByteCount)
  }

  /// Sends the request once the certificate has been checked, and not before.
  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if let event = event as? TLSUserEvent, case .handshakeCompleted = event {
      table.noteConnected(number)
      var buffer = context.channel.allocator.buffer(
        capacity: request.head.count + request.body.count
      )
      buffer.writeBytes(request.head)
      buffer.writeBytes(request.body)
      context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
    }
    context.fireUserInboundEventTriggered(event)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isOver else { return }
    let bytes = Array(unwrapInboundIn(data).readableBytesView)
    do throws(HTTPProblem) {
      if let reply = try parser.take(bytes[...]) { end(.success(reply), context) }
    } catch {
      end(.failure(error), context)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    let problem = HTTPProblem(error, certificate: tls.peerCertificate, request)
    end(.failure(problem), context)
  }

  func channelInactive(context: ChannelHandlerContext) {
    do throws(HTTPProblem) { end(.success(try parser.finish()), context) } catch {
      end(.failure(error), context)
    }
    context.fireChannelInactive()
  }

  private func end(_ outcome: ExchangeTable.Outcome, _ context: ChannelHandlerContext) {
    guard !isOver else { return }
    isOver = true
    table.end(number, outcome)
    context.close(promise: nil)
  }
}
