import Checkpoints
import NIOCore
import NIOHTTP1

/// Gives a request that is no HTTP the API's error object.
///
/// Hummingbird answers such a request with status 400, without a body, and closes the connection. This
/// handler stands between NIO's parser and Hummingbird, and puts the body in.
final class MalformedRequestHandler: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias InboundOut = HTTPServerRequestPart
  typealias OutboundIn = HTTPServerResponsePart
  typealias OutboundOut = HTTPServerResponsePart

  private var fault: HTTPParserError?

  /// Adds the handler behind the parser of a pipeline.
  ///
  /// - Throws: what NIO throws where the pipeline has no parser.
  static func add(to pipeline: ChannelPipeline) throws {
    let operations = pipeline.syncOperations
    let parser = try operations.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
    try operations.addHandler(MalformedRequestHandler(), position: .after(parser))
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if let error = error as? HTTPParserError { fault = error }
    context.fireErrorCaught(error)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard let fault, case .head(var head) = unwrapOutboundIn(data), head.status == .badRequest,
      head.headers["Content-Length"] == ["0"]
    else { return context.write(data, promise: promise) }
    let body = ByteBuffer(string: APIError.malformed("\(fault)").document.serialized())
    head.headers.replaceOrAdd(name: "Content-Type", value: "application/json")
    head.headers.replaceOrAdd(name: "Content-Length", value: String(body.readableBytes))
    context.write(wrapOutboundOut(.head(head)), promise: promise)
    context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
  }
}
