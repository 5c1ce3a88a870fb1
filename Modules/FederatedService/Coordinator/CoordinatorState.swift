import Federated
import Tensor

/// Everything of a coordinator that changes, behind one lock.
struct CoordinatorState: Sendable {
  var engine: RoundEngine
  var registry: DeviceRegistry
  var nonces: NonceMemory
  /// The plan of each device over the rounds, where plans follow profiles.
  var schedules: [Int: PlanSchedule] = [:]
  /// When each device was last seen, by the coordinator's clock.
  var lastSeen: [Int: Double] = [:]
  /// The open task of each device.
  var tasks: [Int: Int] = [:]
  /// Who has heard that the federation has ended.
  var told: Set<Int> = []
  /// Whether a round has begun since the process started.
  var hasBegun = false
  var isFinished = false

  /// The devices that were seen within a lease.
  func available(at now: Double) -> [RegisteredDevice] {
    let lease = engine.settings.leaseSeconds
    return registry.devices.filter { device in
      lastSeen[device.client].map { now - $0 < lease } ?? false
    }
  }

  /// The name of a client, for messages.
  func name(of client: Int) -> String {
    registry.devices.indices.contains(client) ? registry.devices[client].name : "\(client)"
  }

  /// The task that a device works on; nil if it has none.
  func task(of client: Int) -> RoundTask? {
    tasks[client].flatMap { engine.state.open[$0]?.task }
  }

  /// Notes tasks that were given out.
  mutating func assign(_ issued: [RoundTask]) {
    for task in issued { tasks[task.client] = task.id }
  }
}
