import Tensor

// Bonawitz et al. 2019, "Towards Federated Learning at Scale: System Design": rounds of selection,
// configuration and reporting, with over-sampling and a minimum of reports. Buffered results: Nguyen
// et al. 2022.

/// The server's side of federated training as one state machine: a value without threads or clocks.
///
///     let tasks = try engine.begin(candidates, now: 0)           // idle → select → configure → collect
///     let result = try engine.prepare(result, for: task)         // checks and lifts; any thread
///     engine.submit([result], now: 12)                           // counts it, or says why not
///     engine.advance(to: 30)                                     // leases and the deadline
///     if engine.isReady { try engine.aggregate() }               // aggregate → evaluate
///     engine.finish(measures)                                    // evaluate → checkpoint
///     try engine.save(in: folder)                                // checkpoint → idle
///
/// The same machine serves simulation, tests and a network service: whoever holds it tells the time
/// and carries the messages. It draws from its seed by round and attempt, so a run that goes on from
/// a checkpoint gives the same bits as one that was never stopped.
public struct RoundEngine: Sendable {
  /// Who takes part and how long a round waits.
  public let settings: RoundSettings
  /// How results become one step.
  public let aggregation: AggregationSettings
  /// How models are cut and results are lifted.
  public let compression: ComposedCompression
  /// The wiring of the global model.
  public let description: ModelDescription
  /// Everything that is no tensor.
  public internal(set) var state: RoundState
  /// The global model.
  public internal(set) var model: ParameterSet
  /// The optimizer that follows the aggregates.
  public internal(set) var optimizer: ServerOptimizer
  /// Earlier models that open tasks began with, by their version.
  var earlierModels: [Int: ParameterSet] = [:]
  /// The models that masks are made from, by their round.
  var maskModels: [Int: ParameterSet] = [:]
  var accumulator: CoverageAccumulator
  /// Accepted results that are not in the sums yet.
  var pending: [Contribution] = []
  private var planIDs: [DevicePlan: UInt64] = [:]
  /// Who would be asked next, in the order of the draw.
  var reserve: [RoundCandidate] = []
  /// Who covered what in the round under way.
  var coverage: CoverageReport?

  /// A machine before its first round.
  ///
  /// - Parameters:
  ///   - model: the global model.
  ///   - description: its wiring.
  ///   - settings: who takes part.
  ///   - aggregation: how results become one step.
  ///   - seed: of all draws.
  /// - Throws: `RoundError.settings`.
  public init(
    model: ParameterSet,
    description: ModelDescription,
    settings: RoundSettings = RoundSettings(),
    aggregation: AggregationSettings = AggregationSettings(),
    seed: UInt64
  ) throws(RoundError) {
    if let fault = settings.fault ?? aggregation.fault { throw .settings(fault) }
    do throws(FederatedError) { try description.check(model) } catch {
      throw .settings("\(error)")
    }
    self.settings = settings
    self.aggregation = aggregation
    compression = ComposedCompression(description)
    self.description = description
    self.model = model
    state = RoundState(seed: seed)
    optimizer = aggregation.optimizer.optimizer
    accumulator = CoverageAccumulator(like: model)
  }

  /// Stops unless the round stands where a call needs it.
  func expect(_ phase: RoundPhase) throws(RoundError) {
    guard state.phase == phase else { throw .wrongPhase(expected: phase, found: state.phase) }
  }

  /// The generator of a round's draws.
  var generator: Philox {
    Philox(seed: state.seed).fork(state.round).fork(state.attempt)
  }
}

// MARK: - Selecting and configuring

extension RoundEngine {
  /// Begins a round: chooses devices and gives each its task.
  ///
  /// Devices that still work on a task of an earlier round are left out.
  ///
  /// - Parameters:
  ///   - candidates: the devices that are available.
  ///   - now: the time in seconds.
  /// - Returns: a task for each device that was chosen.
  /// - Throws: `RoundError.tooFewClients`, `.wrongPhase`.
  public mutating func begin(
    _ candidates: [RoundCandidate],
    now: Double
  ) throws(RoundError) -> [RoundTask] {
    try expect(.idle)
    let busy = Set(state.open.values.map(\.task.client))
    let available = candidates.filter { !busy.contains($0.client) }
    // Those that are busy with earlier models will report too, where that counts.
    let reporters = available.count + (settings.late == .dropped ? 0 : busy.count)
    let needed = settings.bufferSize == nil ? settings.minimumReports : 1
    guard reporters >= needed else {
      throw .tooFewClients(available: reporters, needed: needed)
    }
    let present = settings.bufferSize == nil ? available.count : reporters
    state.phase = .select
    (state.start, state.now) = (now, now)
    if state.attempt == 0 {
      state.tally = RoundState.Tally()
      state.firstStart = now
    } else {
      state.restartTally()
    }
    state.target = max(needed, settings.target(available: present))
    accumulator = CoverageAccumulator(like: model)
    pending = []
    forgetOldResults()
    if candidates.contains(where: { $0.plan.mask != nil }) { refreshMasks() }
    var size = settings.sampleSize(available: present)
    if settings.bufferSize != nil { size -= busy.count }
    state.tally.samplingRate = min(1, Double(size) / Double(max(present, 1)))
    let drawn = draw(available, first: max(size, 0))
    state.phase = .configure
    reserve = Array(drawn.dropFirst(max(size, 0)))
    let tasks = drawn.prefix(max(size, 0)).map { issue($0, now: now) }
    state.phase = .collect
    return tasks
  }

  /// More tasks while results come in: asynchronous training keeps its devices busy.
  ///
  /// - Parameters:
  ///   - candidates: the devices that are available.
  ///   - finished: open tasks whose results are here and will be submitted.
  ///   - now: the time in seconds.
  /// - Returns: tasks for devices that take the place of those that have reported.
  /// - Throws: `RoundError.wrongPhase`.
  public mutating func refill(
    _ candidates: [RoundCandidate],
    finished: Set<Int> = [],
    now: Double
  ) throws(RoundError) -> [RoundTask] {
    try expect(.collect)
    guard settings.bufferSize != nil else { return [] }
    let busy = Set(state.open.values.filter { !finished.contains($0.task.id) }.map(\.task.client))
    let available = candidates.filter { !busy.contains($0.client) }
    let present = available.count + busy.count
    let size = settings.sampleSize(available: present) - busy.count
    guard size > 0 else { return [] }
    var drawing = generator.fork(state.taskCount)
    let places = settings.sampling.sample(
      size,
      of: available,
      deadline: settings.deadline,
      losses: state.losses,
      using: &drawing
    )
    return places.map { issue(available[$0], now: now) }
  }

  /// The candidates in the order of the draw; the first ones are asked, the others may replace them.
  private func draw(_ candidates: [RoundCandidate], first count: Int) -> [RoundCandidate] {
    var generator = generator
    let places = settings.sampling.sample(
      settings.reassignsLostTasks ? candidates.count : count,
      of: candidates,
      deadline: settings.deadline,
      losses: state.losses,
      using: &generator
    )
    guard settings.reassignsLostTasks, case .byLoss = settings.sampling else {
      return places.map { candidates[$0] }
    }
    // A ranking of all would always choose the same devices.
    generator = self.generator
    let chosen = settings.sampling.sample(
      count,
      of: candidates,
      deadline: settings.deadline,
      losses: state.losses,
      using: &generator
    )
    let rest = Set(chosen)
    return (chosen + places.filter { !rest.contains($0) }).map { candidates[$0] }
  }

  /// Gives a device its task.
  mutating func issue(_ candidate: RoundCandidate, now: Double) -> RoundTask {
    var plan = candidate.plan
    plan.round = state.round
    var draws = generator.fork(candidate.client)
    let task = RoundTask(
      id: state.taskCount,
      round: state.round,
      attempt: state.attempt,
      client: candidate.client,
      exampleCount: candidate.exampleCount,
      plan: plan,
      planID: checksum(of: plan),
      modelVersion: state.modelVersion,
      maskRound: state.maskRound,
      seed: draws.next(),
      issued: now,
      deadline: state.deadline(settings),
      classes: candidate.classes
    )
    state.taskCount += 1
    state.open[task.id] = RoundState.OpenTask(task: task, lastSeen: now)
    state.tally.selected += 1
    return task
  }

  /// The checksum of a plan, computed once for all devices that have it.
  private mutating func checksum(of plan: DevicePlan) -> UInt64 {
    if let known = planIDs[plan] { return known }
    if planIDs.count >= 64 { planIDs = [:] }
    let value = plan.checksum
    planIDs[plan] = value
    return value
  }

  /// The model that a task begins with, cut by its plan.
  ///
  /// - Throws: `RoundError.incompatiblePlan` where the plan cannot be carried out, `.unknownTask` when
  ///   the model of the task is gone.
  public func localModel(for task: RoundTask) throws(RoundError) -> LocalModel {
    let global = task.modelVersion == state.modelVersion ? model : earlierModels[task.modelVersion]
    guard let global else { throw .unknownTask(task.id) }
    var compression = compression
    compression.maskReference = task.plan.mask == nil ? nil : maskModels[task.maskRound]
    do {
      return try compression.compress(global, plan: task.plan, seed: task.seed)
    } catch {
      throw .incompatiblePlan(client: task.client, reason: "\(error)")
    }
  }

  /// Takes the model of this round for masks, if one is due; forgets those that no task needs.
  private mutating func refreshMasks() {
    let interval = settings.maskInterval
    if maskModels.isEmpty || state.round / interval != state.maskRound / interval {
      maskModels[state.round] = model
      state.maskRound = state.round
    }
    let needed = Set(state.open.values.map(\.task.maskRound)).union([state.maskRound])
    maskModels = maskModels.filter { needed.contains($0.key) }
  }

  /// Counts what a device received: call it when the model of its task is on its way.
  public mutating func noteDownload(byteCount: Int) { state.tally.downlinkBytes += byteCount }
}
