import FederatedHTTP

/// Carries requests over HTTP 1.1, with TLS where the address says `https`.
public final class HTTPServiceTransport: ServiceTransport {
  private let client: FederationClient

  /// A transport to a server.
  ///
  /// - Parameters:
  ///   - address: `http://host:port` or `https://host:port`, with a base path if there is one.
  ///   - authority: a PEM file with the certificates to trust instead of the system's.
  /// - Throws: `ServiceError.invalidAddress` or `.certificate`.
  public init(address: String, authority: String? = nil) throws(ServiceError) {
    do {
      client = try FederationClient(address: address, authority: authority)
    } catch {
      switch error {
      case .address(let reason): throw .invalidAddress(address, reason: reason)
      case .certificate(let reason): throw .certificate(path: authority ?? "", reason: reason)
      }
    }
  }

  /// Sends a request; see the protocol.
  public func send(
    _ request: ServiceRequest,
    timeout: Duration,
    limit: Int
  ) async throws(ServiceTransportFailure) -> ServiceResponse {
    do {
      let answer = try await client.send(
        request.method,
        request.path,
        headers: request.headers.map { (name: $0.key, value: $0.value) },
        body: request.body,
        timeout: timeout,
        bytes: max(request.body.count, limit),
        limit: limit
      )
      return ServiceResponse(
        status: answer.status,
        contentType: answer.headers["content-type"] ?? "",
        headers: answer.headers,
        body: answer.body
      )
    } catch {
      throw switch error {
      case .transient(let reason): ServiceTransportFailure(isTransient: true, reason: reason)
      case .permanent(let reason): ServiceTransportFailure(isTransient: false, reason: reason)
      case .cancelled: ServiceTransportFailure(isTransient: true, reason: "cancelled")
      case .tooLarge:
        ServiceTransportFailure(
          isTransient: false,
          reason: "the answer is longer than the plan allows"
        )
      }
    }
  }
}
