import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import TestSupport

/// TLS in front of a server that speaks plain text: what comes in goes to it, what it says goes back.
final class TLSFront: Sendable {
  private let listener: any Channel

  /// A front on a port of its own.
  ///
  /// - Parameters:
  ///   - port: where the server listens.
  ///   - name: the certificate among the fixtures.
  /// - Throws: what cannot be read, and what the system says.
  init(of port: UInt16, certificate name: String = "server") throws {
    let folder = Fixtures.folder("tls")
    let chain = try NIOSSLCertificate.fromPEMFile("\(folder)/\(name).pem")
    let key = try NIOSSLPrivateKey(file: "\(folder)/\(name).key", format: .pem)
    let settings = try NIOSSLContext(
      configuration: .makeServerConfiguration(
        certificateChain: chain.map { .certificate($0) },
        privateKey: .privateKey(key)
      )
    )
    listener = try ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      // Nothing is read before there is somewhere to put it.
      .childChannelOption(.autoRead, value: false)
      .childChannelInitializer { client in
        client.eventLoop.makeCompletedFuture {
          let tls = NIOSSLServerHandler(context: settings)
          try client.pipeline.syncOperations.addHandler(tls)
        }.flatMap { Self.join(client, to: port) }
      }
      .bind(host: "127.0.0.1", port: 0).wait()
  }

  /// The port of the front.
  var port: Int { listener.localAddress?.port ?? 0 }

  func stop() { listener.close(promise: nil) }

  /// Connects with the server, on the same loop.
  private static func join(_ client: any Channel, to port: UInt16) -> EventLoopFuture<Void> {
    ClientBootstrap(group: client.eventLoop)
      .channelOption(.autoRead, value: false)
      .connect(host: "127.0.0.1", port: Int(port))
      .flatMap { server in
        client.eventLoop.makeCompletedFuture {
          try server.pipeline.syncOperations.addHandler(Passage(to: client))
          try client.pipeline.syncOperations.addHandler(Passage(to: server))
          for channel in [client, server] {
            try channel.syncOptions?.setOption(.autoRead, value: true)
          }
        }
      }
  }
}

/// Hands bytes of one channel on to another, and ends with it.
private final class Passage: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private let other: any Channel

  init(to other: any Channel) { self.other = other }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    // A reader that does not keep up holds the writer up.
    let done = other.writeAndFlush(unwrapInboundIn(data))
    guard !other.isWritable else { return }
    let channel = context.channel
    channel.setOption(.autoRead, value: false).whenComplete { _ in
      done.whenComplete { _ in channel.setOption(.autoRead, value: true).whenComplete { _ in } }
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    other.close(promise: nil)
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }
}
