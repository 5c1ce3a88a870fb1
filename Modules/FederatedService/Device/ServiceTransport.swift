/// Carries requests of a device to a coordinator.
public protocol ServiceTransport: Sendable {
  /// Sends a request and waits for the whole answer.
  ///
  /// - Parameters:
  ///   - request: method, path, headers and body.
  ///   - timeout: how long the answer may take to begin.
  ///   - limit: the most bytes of an answer.
  /// - Returns: the answer, whatever its status.
  /// - Throws: `ServiceTransportFailure` when there is none.
  func send(
    _ request: ServiceRequest,
    timeout: Duration,
    limit: Int
  ) async throws(ServiceTransportFailure) -> ServiceResponse
}

/// Why a transport has no answer.
public struct ServiceTransportFailure: Error, Hashable, Sendable {
  /// Whether another try may succeed.
  public let isTransient: Bool
  /// The reason in words.
  public let reason: String

  /// A failure.
  public init(isTransient: Bool, reason: String) {
    self.isTransient = isTransient
    self.reason = reason
  }
}

/// Hands requests to a coordinator in the same process: for tests, and for embedding.
public struct InProcessTransport: ServiceTransport {
  private let coordinator: FederatedCoordinator

  /// A transport to a coordinator.
  public init(_ coordinator: FederatedCoordinator) { self.coordinator = coordinator }

  /// Calls the coordinator.
  public func send(
    _ request: ServiceRequest,
    timeout: Duration,
    limit: Int
  ) async throws(ServiceTransportFailure) -> ServiceResponse {
    await coordinator.handle(request)
  }
}
