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
  /// What may come for tasks that are open or were closed lately.
  var updateLimits: [Int: UpdateLimit] = [:]
  /// The devices whose results are being read or checked: one of each at a time.
  var readers: Set<Int> = []
  /// Why devices take no part, as the log has it.
  var reasons: [Int: String] = [:]
  /// The examples of devices of which not all count, as the log has it.
  var clipped: [Int: Int] = [:]
  /// How long the round has waited for devices; nil while it does not.
  var wait: RoundWait?
  /// Plans are not made again before this time.
  var retryTime = 0.0
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

  /// Forgets the limits of tasks whose results cannot be told from others any more.
  mutating func forgetLimits() {
    let engine = engine
    updateLimits = updateLimits.filter { engine.remembers(task: $0.key) }
  }
}

/// How long a round has waited for devices.
struct RoundWait: Sendable {
  /// When that began.
  var start: Double
  /// It is said after so many seconds.
  var notice: Double
}

/// Whose task it is, and how large the update may be that comes for it.
struct UpdateLimit: Codable, Hashable, Sendable {
  var client: Int
  var byteCount: Int
}
