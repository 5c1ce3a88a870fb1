/// Why a device's part in a round failed, or why a round cannot go on.
public enum RoundError: Error, Hashable, Sendable {
  /// The device did not report before the round closed.
  case timeout(client: Int, round: Int)
  /// The device's heartbeats stopped.
  case disconnected(client: Int, lastSeen: Double)
  /// The result is damaged or not believable.
  case invalidUpdate(client: Int, reason: String)
  /// The device's memory did not suffice.
  case outOfMemory(client: Int)
  /// The result is of another round, plan or model than the task.
  case incompatiblePlan(client: Int, reason: String)
  /// No task of this number was given out, or it is not open any more.
  case unknownTask(Int)
  /// Two different results for one task.
  case conflictingResult(task: Int)
  /// The call does not fit the phase that the round is in.
  case wrongPhase(expected: RoundPhase, found: RoundPhase)
  /// Too few devices can take part.
  case tooFewClients(available: Int, needed: Int)
  /// The settings are out of range.
  case settings(String)
  /// A saved state that is damaged or of another run.
  case checkpoint(String)
}

extension RoundError: CustomStringConvertible {
  /// What happened, to which device, and what to do.
  public var description: String {
    switch self {
    case .timeout(let client, let round): "round \(round): client \(client) did not report in time"
    case .disconnected(let client, let time): "client \(client): no heartbeat since \(time) s"
    case .invalidUpdate(let client, let reason): "client \(client): invalid update, \(reason)"
    case .outOfMemory(let client): "client \(client): out of memory; plan a smaller model"
    case .incompatiblePlan(let client, let reason): "client \(client): incompatible plan, \(reason)"
    case .unknownTask(let id): "task \(id) is not open; pull a new one"
    case .conflictingResult(let id): "task \(id) has another result already"
    case .wrongPhase(let expected, let found): "round: \(found) where \(expected) is needed"
    case .tooFewClients(let available, let needed):
      "round: \(available) clients are available, \(needed) are needed"
    case .settings(let reason): "round settings: \(reason)"
    case .checkpoint(let reason): "round state: \(reason)"
    }
  }
}

/// Where a round stands.
///
///     idle → select → configure → collect → aggregate → evaluate → checkpoint → idle
public enum RoundPhase: String, Codable, Hashable, Sendable, CaseIterable {
  /// Between rounds.
  case idle
  /// Devices are being chosen.
  case select
  /// Their plans are being made.
  case configure
  /// Results come in until the target or the deadline.
  case collect
  /// The results are being combined.
  case aggregate
  /// The new model is being measured.
  case evaluate
  /// The state is being written.
  case checkpoint
}
