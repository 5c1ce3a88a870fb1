import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOSSL

/// Calls over HTTP 1.1, with TLS where the address says `https`.
///
/// - Source: Flower 1.40 to 1.42, Fleet API: `POST /v1/fleet/CALL` with serialized messages.
public final class HTTPFlowerTransport: FlowerTransport {
  private let client: HTTPClient
  private let base: String
  private let limits: FlowerLimits

  /// The slowest link that still gets an answer: a request has its bytes by this in addition to the
  /// time-out.
  private static let slowestBytesPerSecond = 8192
  /// Uvicorn closes idle connections after five seconds; a request on such a one is lost.
  private static let idleSeconds: Int64 = 4

  /// A transport to a server.
  ///
  /// - Parameters:
  ///   - address: `http://host:port` or `https://host:port`, with a base path if there is one.
  ///   - authority: A PEM file with the certificates to trust instead of the system's.
  ///   - limits: How long an answer may be.
  /// - Throws: `FlowerError.invalidAddress` or `.certificate`.
  public init(
    address: String,
    authority: String? = nil,
    limits: FlowerLimits = FlowerLimits()
  ) throws(FlowerError) {
    guard let url = URL(string: address), let scheme = url.scheme, url.host?.isEmpty == false else {
      throw .invalidAddress(address, reason: "not of the form https://host:port")
    }
    guard ["http", "https"].contains(scheme) else {
      throw .invalidAddress(address, reason: "the scheme must be http or https")
    }
    guard authority == nil || scheme == "https" else {
      throw .invalidAddress(address, reason: "a certificate is given, but the scheme is http")
    }
    var configuration = HTTPClient.Configuration()
    configuration.httpVersion = .http1Only
    configuration.redirectConfiguration = .disallow
    configuration.timeout.connect = .seconds(10)
    configuration.timeout.read = .seconds(60)
    configuration.connectionPool.idleTimeout = .seconds(Self.idleSeconds)
    if let authority {
      var tls = TLSConfiguration.makeClientConfiguration()
      tls.trustRoots = .certificates(try Self.certificates(authority))
      configuration.tlsConfiguration = tls
    }
    base = (address.hasSuffix("/") ? String(address.dropLast()) : address) + "/v1/fleet/"
    client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    self.limits = limits
  }

  deinit { client.shutdown(queue: .global()) { _ in } }

  private static func certificates(_ path: String) throws(FlowerError) -> [NIOSSLCertificate] {
    let certificates: [NIOSSLCertificate]
    do {
      certificates = try NIOSSLCertificate.fromPEMFile(path)
    } catch {
      throw .certificate(path: path, reason: "no PEM file with certificates, \(error)")
    }
    guard !certificates.isEmpty else { throw .certificate(path: path, reason: "no certificate") }
    return certificates
  }

  /// Sends a call; see the protocol.
  public func send(
    _ request: FlowerTransportRequest,
    timeout: Duration
  ) async throws(FlowerTransportFailure) -> FlowerTransportAnswer {
    var message = HTTPClientRequest(url: base + request.call)
    message.method = .POST
    for (name, value) in request.headers { message.headers.add(name: name, value: value) }
    message.body = .bytes(ByteBuffer(bytes: request.body))
    let extra = request.body.count / Self.slowestBytesPerSecond
    let deadline = TimeAmount(timeout) + .seconds(Int64(extra))
    do {
      let response = try await client.execute(message, timeout: deadline)
      let body = try await response.body.collect(upTo: limits.answerBytes)
      var headers: [String: String] = [:]
      for (name, value) in response.headers { headers[name.lowercased()] = value }
      return FlowerTransportAnswer(
        status: Int(response.status.code),
        headers: headers,
        body: Data(body.readableBytesView)
      )
    } catch {
      throw Self.failure(error)
    }
  }

  private static func failure(_ error: any Error) -> FlowerTransportFailure {
    switch error {
    case is CancellationError: return .init(.cancelled, "cancelled")
    case let error as HTTPClientError where error == .cancelled:
      return .init(.cancelled, "cancelled")
    case is NIOTooManyBytesError: return .init(.tooLarge, "the answer is too long")
    case let error as NIOSSLError:
      // A server in the middle of its start may drop a handshake; a wrong certificate stays wrong.
      if case .handshakeFailed(.sslError(let stack)) = error {
        let reason = stack.map { "\($0)" }.joined(separator: ", ")
        let isCertificate = reason.contains("CERTIFICATE_VERIFY_FAILED")
        return .init(isCertificate ? .permanent : .transient, reason)
      }
      return .init(.transient, "\(error)")
    case is NIOSSLExtraError: return .init(.permanent, "\(error)")
    default: return .init(.transient, "\(error)")
    }
  }
}
