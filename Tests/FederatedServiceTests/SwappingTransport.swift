import Synchronization

@testable import FederatedService

/// A network whose server can vanish and come back.
final class SwappingTransport: ServiceTransport {
  private let current: Mutex<FederatedCoordinator?>

  init(_ coordinator: FederatedCoordinator?) { current = Mutex(coordinator) }

  var target: FederatedCoordinator? {
    get { current.withLock { $0 } }
    set { current.withLock { $0 = newValue } }
  }

  func send(
    _ request: ServiceRequest,
    timeout: Duration,
    limit: Int
  ) async throws(ServiceTransportFailure) -> ServiceResponse {
    guard let target else { throw ServiceTransportFailure(isTransient: true, reason: "refused") }
    let answer = await target.handle(request)
    // What a killed server wanted to say does not arrive.
    guard self.target === target else {
      throw ServiceTransportFailure(isTransient: true, reason: "connection reset")
    }
    return answer
  }
}
