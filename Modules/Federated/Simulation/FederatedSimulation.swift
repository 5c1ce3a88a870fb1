public import Autograd
import Dispatch
package import Tensor

/// A federation of many virtual devices on one machine, with a virtual clock.
///
///     let simulation = try FederatedSimulation(task, configuration, seed: 1)
///     let report = try simulation.run()
///
/// A device exists as a list of examples and a plan; its model is made when its result is due, trained
/// by one of a few trainers, added to the sums and forgotten. So memory does not grow with the number
/// of devices. All draws come from counter-based streams by round and device: the same seed gives the
/// same report for any number of threads, and a run that is resumed gives the bits of one that never
/// stopped.
public final class FederatedSimulation {
  /// What is learned.
  public let task: any FederatedTask
  /// Devices, rounds, training, faults and measures.
  public let configuration: SimulationConfiguration
  /// The server.
  public internal(set) var engine: RoundEngine
  let fleet: DeviceFleet
  let pool: TrainerPool
  /// Devices at work, by the time of their result.
  var flights: [Flight] = []
  /// What devices have not sent yet, by device.
  var residuals: [Int: ParameterSet] = [:]
  private let planner: DevicePlanner
  /// The plan of each device over the rounds; empty where plans are given.
  var schedules: [PlanSchedule] = []
  private var costs: [DevicePlan: DeviceCost] = [:]
  /// Seconds of computing, on the real clock.
  private var wallSeconds = 0.0

  /// A device at work.
  struct Flight: Codable, Hashable, Sendable {
    var task: RoundTask
    var stepLimit: Int?
    /// When its result is there; nil if it has vanished.
    var finish: Double?
  }

  /// A federation before its first round.
  ///
  /// - Parameters:
  ///   - task: data and networks.
  ///   - configuration: devices, rounds, training, faults and measures.
  ///   - seed: of the first model, the partition and all draws.
  /// - Throws: `SimulationError`.
  public init(
    _ task: any FederatedTask,
    _ configuration: SimulationConfiguration = SimulationConfiguration(),
    seed: UInt64
  ) throws(SimulationError) {
    if let fault = configuration.fault { throw .configuration(fault) }
    self.task = task
    self.configuration = configuration
    fleet = DeviceFleet(task, configuration, try configuration.partition(of: task, seed: seed))
    planner = DevicePlanner(
      task.model,
      batchSize: configuration.training.batchSize,
      epochs: configuration.training.epochs,
      hasMomentum: configuration.training.momentum > 0,
      deadline: configuration.rounds.deadline ?? .greatestFiniteMagnitude
    )
    if configuration.planning == .planned {
      schedules = (0..<configuration.deviceCount).map { _ in PlanSchedule() }
    }
    pool = TrainerPool(task)
    do throws(RoundError) {
      engine = try RoundEngine(
        model: task.initialParameters(seed: seed),
        description: task.model,
        settings: configuration.rounds,
        aggregation: configuration.aggregation,
        seed: seed
      )
    } catch {
      throw .round(error)
    }
  }

  /// Runs all rounds that are left.
  ///
  /// - Parameters:
  ///   - folder: where a checkpoint of each round goes; an existing one is gone on from.
  ///   - progress: told about each round that is over.
  ///   - shouldStop: asked before each round.
  /// - Returns: what happened.
  /// - Throws: `SimulationError`; `.interrupted` when it was stopped.
  @discardableResult
  public func run(
    folder: CheckpointFolder? = nil,
    progress: (RoundReport) -> Void = { _ in },
    shouldStop: () -> Bool = { false }
  ) throws(SimulationError) -> SimulationReport {
    if let folder { try resume(from: folder) }
    while engine.state.round < configuration.roundCount {
      guard !shouldStop() else { throw .interrupted(round: engine.state.round) }
      let report = try runRound()
      try leave(folder)
      progress(report)
    }
    return report()
  }

  /// Runs one round up to its checkpoint.
  func runRound() throws(SimulationError) -> RoundReport {
    let start = DispatchTime.now().uptimeNanoseconds
    defer { wallSeconds += Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9 }
    var isApplied = false
    while !isApplied {
      schedulePlans()
      let candidates = candidates(waiting: true)
      let now = max(engine.state.now, clock)
      let tasks = try rounding { () throws(RoundError) in
        try engine.begin(candidates, now: now)
      }
      launch(tasks)
      try collect()
      isApplied = try rounding { () throws(RoundError) in try engine.aggregate() }
      for flight in flights where engine.state.open[flight.task.id] == nil {
        note(.failed, of: flight.task.client)
      }
      flights.removeAll { engine.state.open[$0.task.id] == nil }
    }
    clock = engine.state.now
    let measures = try measure()
    return try rounding { () throws(RoundError) in try engine.finish(measures) }
  }

  /// The time, which goes on while nobody is available.
  var clock = 0.0

  func rounding<Value>(
    _ body: () throws(RoundError) -> Value
  ) throws(SimulationError) -> Value {
    do throws(RoundError) { return try body() } catch { throw .round(error) }
  }

  /// What happened so far.
  public func report() -> SimulationReport {
    SimulationReport(
      name: configuration.name,
      task: task.name,
      identity: TaskIdentity(of: task),
      seed: engine.state.seed,
      parameterCount: engine.model.scalarCount,
      configuration: configuration,
      devices: fleet.summary,
      rounds: engine.state.reports,
      wallSeconds: wallSeconds
    )
  }
}

// MARK: - Devices

extension FederatedSimulation {
  /// The devices that could take part now; `waiting` lets time pass until somebody is there.
  func candidates(waiting: Bool) -> [RoundCandidate] {
    let needed = configuration.rounds.minimumReports
    clock = max(clock, engine.state.now)
    for _ in 0..<Self.waitLimit {
      let found = (0..<fleet.count).filter { fleet.isAvailable($0, at: clock) }
      if found.count >= min(needed, fleet.count) || !waiting { return found.compactMap(candidate) }
      clock += Self.waitSeconds
    }
    return []
  }

  /// The server looks for devices every quarter of an hour, for two days at most.
  private static var waitSeconds: Double { 900 }
  private static var waitLimit: Int { 192 }

  /// A device as a candidate; nil if it has no examples, or no plan fits it.
  private func candidate(_ client: Int) -> RoundCandidate? {
    let count = fleet.examples[client].count
    guard count > 0, let plan = plan(of: client) else { return nil }
    return RoundCandidate(
      client: client,
      exampleCount: count,
      plan: plan,
      classes: configuration.aggregation.masksHead ? fleet.heldClasses[client] : nil,
      expectedSeconds: cost(plan).seconds(
        on: fleet.classes[client].profile,
        exampleCount: count,
        epochs: configuration.training.epochs
      )
    )
  }

  /// What a device would train in this round; nil if it is not eligible.
  private func plan(of client: Int) -> DevicePlan? {
    switch configuration.planning {
    case .fixed(let plans): return plans[client % plans.count]
    case .resampled(let plans):
      var draws = draws(client, .plan, round: engine.state.round)
      return plans[draws.integer(below: plans.count)]
    case .planned:
      return schedules[client].level.map { planner.strategies[$0] }
    }
  }

  /// Gives every device its plan for the next round.
  func schedulePlans() {
    for client in schedules.indices {
      _ = schedules[client].next(
        planner,
        profile: fleet.classes[client].profile,
        exampleCount: fleet.examples[client].count
      )
    }
  }

  /// Tells the planner how a device's round went.
  func note(_ outcome: PlanSchedule.Outcome, of client: Int) {
    guard !schedules.isEmpty else { return }
    schedules[client].record(
      outcome,
      planner,
      profile: fleet.classes[client].profile,
      exampleCount: fleet.examples[client].count
    )
  }

  /// How many devices cannot take part, and why the first of them cannot.
  var ineligible: (count: Int, reason: String)? {
    let reasons = schedules.compactMap(\.reason)
    return reasons.first.map { (reasons.count, $0) }
  }

  /// What a plan costs; rounds and seeds do not matter.
  func cost(_ plan: DevicePlan) -> DeviceCost {
    var key = plan
    key.round = 0
    if let known = costs[key] { return known }
    let cost = DeviceCost(task.model, plan: key)
    costs[key] = cost
    return cost
  }

  /// What a stream of a device is for.
  enum Draw: Int {
    case plan
    case fate
    case batches
    case faults
    case uplink
  }

  /// The stream of a device in a round.
  func draws(_ client: Int, _ purpose: Draw, round: Int) -> Philox {
    Philox(seed: engine.state.seed).fork(-1 - purpose.rawValue).fork(round).fork(client)
  }

  /// The examples that a device holds.
  public func examples(of client: Int) -> [Int32] { fleet.examples[client] }

  /// What the order of a device's batches is drawn from.
  package func batchDraws(of task: RoundTask) -> Philox {
    draws(task.client, .batches, round: task.round).fork(task.attempt)
  }

  /// Sends devices off.
  func launch(_ tasks: [RoundTask]) {
    for task in tasks {
      let cost = cost(task.plan)
      engine.noteDownload(byteCount: cost.downlinkBytes)
      var draws = draws(task.client, .fate, round: task.round).fork(task.attempt)
      let profile = fleet.classes[task.client].profile
      let fate = DeviceFate(task, on: profile, cost: cost, configuration, using: &draws)
      flights.append(Flight(task: task, stepLimit: fate.stepLimit, finish: fate.finish))
    }
    flights.sort {
      ($0.finish ?? .infinity, $0.task.id) < ($1.finish ?? .infinity, $1.task.id)
    }
  }
}
