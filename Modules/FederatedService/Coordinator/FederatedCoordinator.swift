import Autograd
import Dispatch
public import Federated
import Synchronization
import Tensor

#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

// Bonawitz et al. 2019, "Towards Federated Learning at Scale: System Design": devices check in, are
// given tasks with leases, and report; the server's rounds are `RoundEngine`'s.

/// Federated training as a service: devices come over HTTP, fetch tasks, and send results.
///
///     let coordinator = try FederatedCoordinator(task, configuration, folder: "state",
///       admission: .enrolled(path: "devices.txt"), log: { print($0) })
///     // any HTTP server: let answer = await coordinator.handle(request)
///     try coordinator.run()                  // the rounds, on this thread, until the last one
///
/// It has no sockets of its own: whoever owns it hands the heads of requests to
/// `handle(_:reading:)`, which says how much of the body may be read. Every request but status and
/// health is signed by its device. All calls may come twice: a device that lost an answer asks again.
///
/// After each round the state is written to its folder. A coordinator that was killed begins the round
/// again that it was in: results that had come are asked for anew, so none is lost or counted twice. The
/// folder belongs to one federation, and one coordinator at a time works in it.
public final class FederatedCoordinator: Sendable {
  /// What is learned.
  public let task: any FederatedTask
  /// Rounds, training and plans.
  public let configuration: CoordinatorConfiguration
  /// What is learned, as devices have to tell it.
  public let sharedTask: SharedTask
  let admission: DeviceAdmission
  let log: @Sendable (CoordinatorEvent) -> Void
  /// What devices sign their requests for: nothing that was heard before this start can be sent again.
  let session = RequestSignature.token()
  /// Keeps other coordinators away.
  private let folder: StateFolder?
  let checkpoints: CheckpointFolder?
  let planner: DevicePlanner
  private let state: Mutex<CoordinatorState>
  /// Wakes the thread of the rounds.
  let wake = DispatchSemaphore(value: 0)
  /// Seconds since 1970.
  let date: @Sendable () -> Double
  private let clockStart: UInt64
  /// The coordinator's clock when the process began.
  let startTime: Double

  /// A coordinator before its first round, or where an earlier one stopped.
  ///
  /// - Parameters:
  ///   - task: the data that the server measures with, and the network.
  ///   - configuration: rounds, training and plans.
  ///   - folder: where devices and rounds are kept; nil keeps nothing.
  ///   - admission: who may take part.
  ///   - date: seconds since 1970, for signatures.
  ///   - log: told about everything that happens.
  /// - Throws: `ServiceError`: `.settings` for a configuration out of range, `.folderInUse` where another
  ///   coordinator works in the folder, `.otherFederation` where it belongs to another task or to other
  ///   settings, `.state` where it cannot be read or written.
  public init(
    _ task: any FederatedTask,
    _ configuration: CoordinatorConfiguration,
    folder: String? = nil,
    admission: DeviceAdmission,
    date: @escaping @Sendable () -> Double = { Date().timeIntervalSince1970 },
    log: @escaping @Sendable (CoordinatorEvent) -> Void = { _ in }
  ) throws(ServiceError) {
    if let fault = configuration.fault { throw .settings(fault) }
    self.task = task
    self.configuration = configuration
    let sharedTask = SharedTask(task)
    self.sharedTask = sharedTask
    self.admission = admission
    self.log = log
    self.date = date
    planner = DevicePlanner(
      task.model,
      batchSize: configuration.training.batchSize,
      epochs: configuration.training.epochs,
      hasMomentum: configuration.training.momentum > 0,
      deadline: configuration.rounds.deadline ?? .greatestFiniteMagnitude
    )
    let held = try folder.map { (path) throws(ServiceError) in
      try StateFolder(claiming: path, for: FederationSettings(sharedTask, configuration))
    }
    self.folder = held
    checkpoints = try held.map { (held) throws(ServiceError) in try held.checkpoints() }
    let registry = try DeviceRegistry(path: held?.devicesPath, limit: configuration.mostDevices)
    let (engine, saved) = try Self.engine(task, configuration, checkpoints)
    var state = CoordinatorState(
      engine: engine,
      registry: registry,
      nonces: NonceMemory(tolerance: configuration.clockTolerance)
    )
    if let saved { (state.schedules, state.updateLimits) = (saved.schedules, saved.limits) }
    state.isFinished = engine.state.round >= configuration.roundCount
    self.state = Mutex(state)
    clockStart = DispatchTime.now().uptimeNanoseconds
    startTime = engine.state.now
    if saved != nil { log(.resumed(round: engine.state.round)) }
  }

  /// What a checkpoint has beside the engine.
  private struct SavedPlans {
    var schedules: [Int: PlanSchedule]
    var limits: [Int: UpdateLimit]
  }

  /// The engine at its start, or as a checkpoint has it.
  private static func engine(
    _ task: any FederatedTask,
    _ configuration: CoordinatorConfiguration,
    _ folder: CheckpointFolder?
  ) throws(ServiceError) -> (RoundEngine, SavedPlans?) {
    do {
      var engine = try RoundEngine(
        model: task.initialParameters(seed: configuration.seed),
        description: task.model,
        settings: configuration.rounds,
        aggregation: configuration.aggregation,
        seed: configuration.seed
      )
      guard let saved = try folder?.latest() else { return (engine, nil) }
      try engine.restore(saved)
      return (
        engine,
        SavedPlans(
          schedules: try saved.value("schedules", as: [Int: PlanSchedule].self),
          limits: try saved.value("limits", as: [Int: UpdateLimit].self)
        )
      )
    } catch let error as RoundError {
      throw .round(error)
    } catch {
      throw .state("\(error)")
    }
  }

  /// The time of the rounds in seconds; it goes on where the last run's stopped.
  var now: Double {
    startTime + Double(DispatchTime.now().uptimeNanoseconds - clockStart) / 1e9
  }

  /// Works on the state, alone.
  func locked<Value: Sendable, Failure: Error>(
    _ body: (inout CoordinatorState) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    let result = state.withLock { state in
      Result { () throws(Failure) -> Value in try body(&state) }
    }
    return try result.get()
  }

  /// Where the federation stands.
  public var status: ServiceStatus {
    let now = now
    return locked { state in
      ServiceStatus(
        task: task.name,
        round: state.engine.state.round,
        roundCount: configuration.roundCount,
        phase: state.engine.state.phase,
        modelVersion: state.engine.state.modelVersion,
        registered: state.registry.devices.count,
        available: state.available(at: now).count,
        reported: state.engine.participants.count,
        accuracy: state.engine.state.reports.last { $0.evaluation != nil }?.evaluation?.accuracy
      )
    }
  }

  /// The global model as it is now.
  public var model: ParameterSet { locked { $0.engine.model } }

  /// What happened in the rounds that are over.
  public var reports: [RoundReport] { locked { $0.engine.state.reports } }
}
