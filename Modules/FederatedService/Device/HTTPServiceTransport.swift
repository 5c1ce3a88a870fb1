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

/// Carries requests over HTTP 1.1, with TLS where the address says `https`.
public final class HTTPServiceTransport: ServiceTransport {
  private let client: HTTPClient
  private let base: String

  /// The slowest link that still gets an answer: a request has its bytes by this in addition to the
  /// time-out.
  private static let slowestBytesPerSecond = 8192

  /// A transport to a server.
  ///
  /// - Parameters:
  ///   - address: `http://host:port` or `https://host:port`, with a base path if there is one.
  ///   - authority: a PEM file with the certificates to trust instead of the system's.
  /// - Throws: `ServiceError.invalidAddress`.
  public init(address: String, authority: String? = nil) throws(ServiceError) {
    guard let url = URL(string: address), let scheme = url.scheme, url.host?.isEmpty == false,
      ["http", "https"].contains(scheme)
    else { throw .invalidAddress(address) }
    guard authority == nil || scheme == "https" else {
      throw .settings("a certificate is given, but \(address) is no https address")
    }
    var configuration = HTTPClient.Configuration()
    configuration.httpVersion = .http1Only
    configuration.redirectConfiguration = .disallow
    configuration.timeout.connect = .seconds(10)
    if let authority {
      var tls = TLSConfiguration.makeClientConfiguration()
      let certificates = (try? NIOSSLCertificate.fromPEMFile(authority)) ?? []
      guard !certificates.isEmpty else { throw .settings("\(authority) holds no certificate") }
      tls.trustRoots = .certificates(certificates)
      configuration.tlsConfiguration = tls
    }
    base = address.hasSuffix("/") ? String(address.dropLast()) : address
    client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  deinit { client.shutdown(queue: .global()) { _ in } }

  /// Sends a request; see the protocol.
  public func send(
    _ request: ServiceRequest,
    timeout: Duration,
    limit: Int
  ) async throws(ServiceTransportFailure) -> ServiceResponse {
    var message = HTTPClientRequest(url: base + request.path)
    message.method = HTTPMethod(rawValue: request.method)
    for (name, value) in request.headers { message.headers.add(name: name, value: value) }
    if !request.body.isEmpty { message.body = .bytes(ByteBuffer(bytes: request.body)) }
    let extra = max(request.body.count, limit) / Self.slowestBytesPerSecond
    do {
      let answer = try await client.execute(
        message,
        timeout: TimeAmount(timeout) + .seconds(Int64(extra))
      )
      let body = try await answer.body.collect(upTo: limit)
      var headers: [String: String] = [:]
      for (name, value) in answer.headers { headers[name.lowercased()] = value }
      return ServiceResponse(
        status: Int(answer.status.code),
        contentType: headers["content-type"] ?? "",
        headers: headers,
        body: Array(body.readableBytesView)
      )
    } catch {
      throw Self.failure(error)
    }
  }

  private static func failure(_ error: any Error) -> ServiceTransportFailure {
    switch error {
    case is NIOTooManyBytesError:
      return .init(isTransient: false, reason: "the answer is longer than the plan allows")
    case let error as NIOSSLError:
      // A server in the middle of its start may drop a handshake; a wrong certificate stays wrong.
      if case .handshakeFailed(.sslError(let stack)) = error {
        let reason = stack.map { "\($0)" }.joined(separator: ", ")
        return .init(isTransient: !reason.contains("CERTIFICATE_VERIFY_FAILED"), reason: reason)
      }
      return .init(isTransient: true, reason: "\(error)")
    case is NIOSSLExtraError: return .init(isTransient: false, reason: "\(error)")
    default: return .init(isTransient: true, reason: "\(error)")
    }
  }
}
