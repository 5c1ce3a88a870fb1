import FederatedHTTP
import Foundation

/// Calls over HTTP 1.1, with TLS where the address says `https`.
///
/// - Source: Flower 1.40 to 1.42, Fleet API: `POST /v1/fleet/CALL` with serialized messages.
public final class HTTPFlowerTransport: FlowerTransport {
  private let client: FederationClient
  private let limits: FlowerLimits

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
    do {
      client = try FederationClient(
        address: address,
        authority: authority,
        silence: .seconds(60)
      )
    } catch {
      switch error {
      case .address(let reason): throw .invalidAddress(address, reason: reason)
      case .certificate(let reason): throw .certificate(path: authority ?? "", reason: reason)
      }
    }
    self.limits = limits
  }

  /// Sends a call; see the protocol.
  public func send(
    _ request: FlowerTransportRequest,
    timeout: Duration
  ) async throws(FlowerTransportFailure) -> FlowerTransportAnswer {
    do {
      let answer = try await client.send(
        "POST",
        "/v1/fleet/" + request.call,
        headers: request.headers,
        body: request.body,
        timeout: timeout,
        bytes: request.body.count,
        limit: limits.answerBytes
      )
      return FlowerTransportAnswer(
        status: answer.status,
        headers: answer.headers,
        body: Data(answer.body)
      )
    } catch {
      throw switch error {
      case .transient(let reason): FlowerTransportFailure(.transient, reason)
      case .permanent(let reason): FlowerTransportFailure(.permanent, reason)
      case .tooLarge: FlowerTransportFailure(.tooLarge, "the answer is too long")
      case .cancelled: FlowerTransportFailure(.cancelled, "cancelled")
      }
    }
  }
}
