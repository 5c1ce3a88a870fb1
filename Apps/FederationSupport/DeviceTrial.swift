import FederatedService
import Support
import Synchronization

/// A device that may die and come back, for trials of a federation.
struct DeviceTrial: Sendable {
  /// What goes wrong, by chance.
  struct Faults: Sendable {
    /// The probability that the device dies in a task.
    var kills: Double
    /// The probability that a result comes late.
    var delays: Double
    /// How many seconds late.
    var delaySeconds: Double
  }

  var name: String
  var identity: DeviceIdentity
  var transport: HTTPServiceTransport
  var work: ServiceDevice.Work
  var token: String?
  var faults: Faults
  var isQuiet: Bool

  /// Takes part until the federation ends, life after life.
  func run() async throws {
    while true {
      let death = Death()
      let device = try ServiceDevice(
        name,
        identity,
        FaultyTransport(transport: transport, faults: faults, death: death),
        work,
        token: token,
        log: log
      )
      let life = Task { try await device.run() }
      death.onCall { life.cancel() }
      do {
        try await withTaskCancellationHandler {
          try await life.value
        } onCancel: {
          life.cancel()
        }
        if !death.isDead { return }
      } catch {
        guard death.isDead else { throw error }
      }
      guard !Task.isCancelled else { return }
      try await Task.sleep(for: .seconds(Double.random(in: 0.5...2)))
    }
  }

  private var log: @Sendable (DeviceEvent) -> Void {
    let name = name
    if isQuiet {
      return { event in
        switch event {
        case .failed, .dropped, .clockAdjusted:
          try? StandardStream.error.writeLine("\(name): \(event)")
        case .registered, .sent, .retrying, .finished: break
        }
      }
    }
    return { try? StandardStream.error.writeLine("\(name): \($0)") }
  }
}

/// The end of a device's life.
final class Death: Sendable {
  private let state = Mutex<(isDead: Bool, action: @Sendable () -> Void)>((false, {}))

  var isDead: Bool { state.withLock { $0.isDead } }

  func onCall(_ action: @escaping @Sendable () -> Void) { state.withLock { $0.action = action } }

  func call() {
    let action = state.withLock { state in
      state.isDead = true
      return state.action
    }
    action()
  }
}

/// A network that kills devices in the middle of tasks, and holds results back.
private struct FaultyTransport: ServiceTransport {
  let transport: HTTPServiceTransport
  let faults: DeviceTrial.Faults
  let death: Death

  func send(
    _ request: ServiceRequest,
    timeout: Duration,
    limit: Int
  ) async throws(ServiceTransportFailure) -> ServiceResponse {
    if request.path.hasSuffix("/result") {
      if Double.random(in: 0..<1) < faults.kills { death.call() }
      if Double.random(in: 0..<1) < faults.delays {
        try? await Task.sleep(for: .seconds(faults.delaySeconds))
      }
    }
    guard !death.isDead else { throw ServiceTransportFailure(isTransient: false, reason: "dead") }
    return try await transport.send(request, timeout: timeout, limit: limit)
  }
}
