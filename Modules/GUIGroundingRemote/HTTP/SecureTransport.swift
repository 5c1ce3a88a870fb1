import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// Exchanges over TLS.
///
/// The certificate is checked, with its name and its time, before anything is sent. Each exchange has a
/// connection of its own.
final class SecureTransport: Sendable {
  private let table: ExchangeTable
  private let settings: NIOSSLContext

  /// A transport.
  ///
  /// - Parameters:
  ///   - table: the exchanges.
  ///   - authority: a PEM file with the certificates to trust instead of the system's.
  /// - Throws: `HTTPProblem.settings` for a file without certificates.
  init(_ table: ExchangeTable, authority: String? = nil) throws(HTTPProblem) {
    self.table = table
    var configuration = TLSConfiguration.makeClientConfiguration()
    // A server that floods is not listened to for long after the end.
    configuration.shutdownTimeout = .milliseconds(100)
    if let authority {
      let certificates: [NIOSSLCertificate]
      do { certificates = try NIOSSLCertificate.fromPEMFile(authority) } catch {
        throw .settings("\(authority) is no PEM file of certificates that can be read")
      }
      guard !certificates.isEmpty else { throw .settings("\(authority) holds no certificate") }
      configuration.trustRoots = .certificates(certificates)
    }
    do { settings = try NIOSSLContext(configuration: configuration) } catch {
      throw .settings("TLS cannot be used: \(error)")
    }
  }

  /// Sends a request with a body.
  ///
  /// - Returns: the reply, whatever its status.
  /// - Throws: `HTTPProblem`.
  func post(
    _ body: [UInt8],
    to url: URL,
    headers: [String: String],
    limits: HTTPLimits
  ) async throws(HTTPProblem) -> HTTPReply {
    let request = HTTPRequestBytes(body, to: url, headers: headers)
    let connection = Connection()
    return try await table.run(limits) { number in
      connect(request, number, limits, connection)
    } stop: { _ in
      connection.close()
    }
  }

  private func connect(
    _ request: HTTPRequestBytes,
    _ number: Int,
    _ limits: HTTPLimits,
    _ connection: Connection
  ) {
    let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .connectTimeout(.nanoseconds(Int64(limits.connectSeconds * 1e9)))
      .channelInitializer { [settings, table] channel in
        channel.eventLoop.makeCompletedFuture {
          let tls = try Self.handler(settings, request.host)
          let exchange = SecureExchange(request, number, table, limits, tls)
          try channel.pipeline.syncOperations.addHandlers(tls, exchange)
        }
      }
    bootstrap.connect(host: request.host, port: request.port).whenComplete { [table] result in
      switch result {
      case .success(let channel): connection.take(channel)
      case .failure(let error):
        table.end(number, .failure(HTTPProblem(error, certificate: nil, request)))
      }
    }
  }

  /// The handler of TLS; names go to the server, addresses are compared with the certificate alone.
  private static func handler(
    _ settings: NIOSSLContext,
    _ host: String
  ) throws -> NIOSSLClientHandler {
    let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
    return try NIOSSLClientHandler(context: settings, serverHostname: isAddress ? nil : host)
  }
}

/// The connection of an exchange, which may end before there is one.
private final class Connection: Sendable {
  private enum State {
    case waiting
    case open(any Channel)
    case over
  }

  private let state = Mutex(State.waiting)

  func take(_ channel: any Channel) {
    let isOver = state.withLock { state in
      if case .over = state { return true }
      state = .open(channel)
      return false
    }
    if isOver { channel.close(promise: nil) }
  }

  func close() {
    let before = state.withLock { state in
      defer { state = .over }
      return state
    }
    if case .open(let channel) = before { channel.close(promise: nil) }
  }
}
