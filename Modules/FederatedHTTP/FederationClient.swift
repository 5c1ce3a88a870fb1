import AsyncHTTPClient
import Dispatch
import NIOCore
import NIOHTTP1
import NIOSSL

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Requests of a device to the server of its federation over HTTP 1.1, with TLS where the address says
/// `https`.
package final class FederationClient: Sendable {
  /// Why there can be no client.
  package enum Problem: Error {
    /// No address of the form `https://host:port`.
    case address(String)
    /// No certificates where they should be.
    case certificate(String)
  }

  /// Why there is no answer.
  package enum Failure: Error {
    /// Another try may succeed: no connection, no answer in time.
    case transient(String)
    /// Another try fails as well: the certificate is not trusted.
    case permanent(String)
    /// The answer is longer than the limit.
    case tooLarge
    /// The task was cancelled.
    case cancelled
  }

  /// An answer, whatever its status.
  package struct Answer: Sendable {
    /// The status of HTTP.
    package let status: Int
    /// Names, in lower case, and values.
    package let headers: [String: String]
    /// Its bytes.
    package let body: [UInt8]
  }

  private let client: HTTPClient
  private let base: String

  /// The slowest link that still gets an answer: a request has its bytes by this in addition to its
  /// time-out.
  private static let slowestBytesPerSecond = 8192
  /// Servers close idle connections, Uvicorn after five seconds; a request on such a one is lost.
  private static let idleSeconds: Int64 = 4

  /// A client of one server.
  ///
  /// - Parameters:
  ///   - address: `http://host:port` or `https://host:port`, with a base path if there is one.
  ///   - authority: a PEM file with the certificates to trust instead of the system's.
  ///   - silence: how long a server may send nothing; nil: as long as a request's time-out.
  /// - Throws: `Problem`.
  package init(address: String, authority: String?, silence: Duration? = nil) throws(Problem) {
    guard let url = URL(string: address), let scheme = url.scheme, url.host?.isEmpty == false else {
      throw .address("not of the form https://host:port")
    }
    guard ["http", "https"].contains(scheme) else {
      throw .address("the scheme must be http or https")
    }
    guard authority == nil || scheme == "https" else {
      throw .address("a certificate is given, but the scheme is http")
    }
    var configuration = HTTPClient.Configuration()
    configuration.httpVersion = .http1Only
    configuration.redirectConfiguration = .disallow
    configuration.timeout.connect = .seconds(10)
    configuration.timeout.read = silence.map { TimeAmount($0) }
    configuration.connectionPool.idleTimeout = .seconds(Self.idleSeconds)
    if let authority {
      var tls = TLSConfiguration.makeClientConfiguration()
      tls.trustRoots = .certificates(try Self.certificates(authority))
      configuration.tlsConfiguration = tls
    }
    base = address.hasSuffix("/") ? String(address.dropLast()) : address
    client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  deinit { client.shutdown(queue: .global()) { _ in } }

  private static func certificates(_ path: String) throws(Problem) -> [NIOSSLCertificate] {
    let certificates: [NIOSSLCertificate]
    do {
      certificates = try NIOSSLCertificate.fromPEMFile(path)
    } catch {
      throw .certificate("no PEM file with certificates, \(error)")
    }
    guard !certificates.isEmpty else { throw .certificate("no certificate") }
    return certificates
  }

  /// Sends a request and waits for the whole answer.
  ///
  /// - Parameters:
  ///   - method: such as `POST`.
  ///   - path: what follows the address, from the slash on.
  ///   - headers: names and values.
  ///   - body: may be empty.
  ///   - timeout: how long the answer may take, beside its way over the slowest link.
  ///   - bytes: what that link carries for it.
  ///   - limit: the most bytes of an answer.
  /// - Returns: the answer.
  /// - Throws: `Failure` when there is none.
  package func send(
    _ method: String,
    _ path: String,
    headers: [(name: String, value: String)],
    body: some Sequence<UInt8>,
    timeout: Duration,
    bytes: Int,
    limit: Int
  ) async throws(Failure) -> Answer {
    var message = HTTPClientRequest(url: base + path)
    message.method = HTTPMethod(rawValue: method)
    for (name, value) in headers { message.headers.add(name: name, value: value) }
    let content = ByteBuffer(bytes: body)
    if content.readableBytes > 0 { message.body = .bytes(content) }
    let deadline = TimeAmount(timeout) + .seconds(Int64(bytes / Self.slowestBytesPerSecond))
    do {
      let answer = try await client.execute(message, timeout: deadline)
      let body = try await answer.body.collect(upTo: limit)
      var headers: [String: String] = [:]
      for (name, value) in answer.headers { headers[name.lowercased()] = value }
      return Answer(
        status: Int(answer.status.code),
        headers: headers,
        body: Array(body.readableBytesView)
      )
    } catch {
      throw Self.failure(error)
    }
  }

  private static func failure(_ error: any Error) -> Failure {
    switch error {
    case is CancellationError: return .cancelled
    case let error as HTTPClientError where error == .cancelled: return .cancelled
    case is NIOTooManyBytesError: return .tooLarge
    case let error as NIOSSLError:
      // A server in the middle of its start may drop a handshake; a wrong certificate stays wrong.
      if case .handshakeFailed(.sslError(let stack)) = error {
        let reason = stack.map { "\($0)" }.joined(separator: ", ")
        let isCertificate = reason.contains("CERTIFICATE_VERIFY_FAILED")
        return isCertificate ? .permanent(reason) : .transient(reason)
      }
      return .transient("\(error)")
    case is NIOSSLExtraError: return .permanent("\(error)")
    default: return .transient("\(error)")
    }
  }
}
