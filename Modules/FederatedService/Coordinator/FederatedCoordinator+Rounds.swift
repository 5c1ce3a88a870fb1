import Dispatch
import Federated
import Tensor

extension FederatedCoordinator {
  /// Runs the rounds on this thread until the last one is over and devices have heard so.
  ///
  /// - Parameter shouldStop: asked some times a second; the round under way is then left, and begun
  ///   again by the next run.
  /// - Throws: `ServiceError`.
  public func run(until shouldStop: () -> Bool = { false }) throws(ServiceError) {
    let trainer = LocalTrainer(task)
    var end: Double?
    while !shouldStop() {
      if try advance(trainer) { continue }
      let (isFinished, isTold) = ending
      if isFinished {
        let limit = end ?? now + Self.farewellLeases * configuration.rounds.leaseSeconds
        end = limit
        if isTold || now >= limit { return }
      }
      _ = wake.wait(timeout: .now() + .milliseconds(20))
    }
  }

  /// So many leases the coordinator stays to tell devices that all is over.
  private static var farewellLeases: Double { 2 }

  private var ending: (isFinished: Bool, isTold: Bool) {
    let now = now
    return locked { state in
      (
        state.isFinished,
        state.available(at: now).allSatisfy { state.told.contains($0.client) }
      )
    }
  }

  /// Does what is due.
  ///
  /// - Returns: whether something was done.
  private func advance(_ trainer: LocalTrainer) throws(ServiceError) -> Bool {
    let phase = locked { $0.isFinished ? nil : $0.engine.state.phase }
    switch phase {
    case nil: return false
    case .idle?: return try begin()
    case .collect?: return try collect()
    case .evaluate?:
      try finish(try measures(trainer))
      return true
    case .select?, .configure?, .aggregate?, .checkpoint?:
      throw .round(.wrongPhase(expected: .idle, found: phase ?? .idle))
    }
  }

  private func rounding<Value: Sendable>(
    _ body: (inout CoordinatorState) throws(RoundError) -> Value
  ) throws(ServiceError) -> Value {
    do throws(RoundError) { return try locked(body) } catch { throw .round(error) }
  }

  // MARK: Beginning

  private func begin() throws(ServiceError) -> Bool {
    let now = now
    let event = try rounding { (state) throws(RoundError) -> CoordinatorEvent? in
      let present = state.available(at: now)
      guard isEnough(present.count, state, now) else { return nil }
      let candidates = present.compactMap { candidate($0, &state) }
      guard candidates.count >= configuration.rounds.minimumReports else { return nil }
      let tasks = try state.engine.begin(candidates, now: now)
      state.hasBegun = true
      state.forgetLimits()
      assign(tasks, &state)
      return .began(
        round: state.engine.state.round,
        attempt: state.engine.state.attempt,
        tasks: tasks.count,
        available: present.count
      )
    }
    if let event { log(event) }
    return event != nil
  }

  private func isEnough(_ count: Int, _ state: CoordinatorState, _ now: Double) -> Bool {
    if count >= configuration.deviceCount { return true }
    guard state.engine.state.round > 0 || state.engine.state.attempt > 0 else { return false }
    let hasWaited = state.hasBegun || now - startTime >= configuration.gatherSeconds
    return hasWaited && count >= configuration.rounds.minimumReports
  }

  /// A device as the engine sees it; nil if no plan fits it.
  private func candidate(
    _ device: RegisteredDevice,
    _ state: inout CoordinatorState
  ) -> RoundCandidate? {
    guard let plan = plan(of: device, &state) else { return nil }
    let registration = device.registration
    return RoundCandidate(
      client: device.client,
      exampleCount: registration.exampleCount,
      plan: plan,
      classes: configuration.aggregation.masksHead ? registration.classes : nil,
      expectedSeconds: DeviceCost(task.model, plan: plan).seconds(
        on: registration.profile,
        exampleCount: registration.exampleCount,
        epochs: configuration.training.epochs
      )
    )
  }

  private func plan(of device: RegisteredDevice, _ state: inout CoordinatorState) -> DevicePlan? {
    switch configuration.planning {
    case .fixed(let plans): return plans[device.client % plans.count]
    case .resampled(let plans):
      let round = state.engine.state.round
      var draws = Philox(seed: configuration.seed).fork(-1).fork(round).fork(device.client)
      return plans[draws.integer(below: plans.count)]
    case .planned:
      return state.schedules[device.client, default: PlanSchedule()].next(
        planner,
        profile: device.registration.profile,
        exampleCount: device.registration.exampleCount
      )
    }
  }

  // MARK: Collecting

  private func collect() throws(ServiceError) -> Bool {
    let now = now
    let (events, isApplied) = try rounding { (state) throws(RoundError) in
      var events: [CoordinatorEvent] = []
      let change = state.engine.advance(to: now)
      for task in change.lost { self.note(.failed, of: task, &state) }
      assign(change.issued, &state)
      if !change.lost.isEmpty {
        let names = change.lost.map { state.name(of: $0.client) }
        events.append(.lost(devices: names, reassigned: change.issued.count))
      }
      guard state.engine.isReady else { return (events, false) }
      let open = state.engine.state.open.values.map(\.task)
      let isApplied = try state.engine.aggregate()
      for task in open where state.engine.state.open[task.id] == nil {
        self.note(.failed, of: task, &state)
      }
      if !isApplied {
        let engine = state.engine.state
        events.append(.repeated(round: engine.round, attempt: engine.attempt))
      }
      return (events, isApplied)
    }
    events.forEach(log)
    return isApplied
  }

  /// Tells the planner how a device's task went.
  func note(_ outcome: PlanSchedule.Outcome, of task: RoundTask, _ state: inout CoordinatorState) {
    if state.tasks[task.client] == task.id { state.tasks[task.client] = nil }
    guard configuration.planning == .planned, state.registry.devices.indices.contains(task.client)
    else { return }
    let registration = state.registry.devices[task.client].registration
    state.schedules[task.client]?.record(
      outcome,
      planner,
      profile: registration.profile,
      exampleCount: registration.exampleCount
    )
  }

  // MARK: Finishing

  /// The new model on the test set; without the lock, for devices go on asking meanwhile.
  private func measures(_ trainer: LocalTrainer) throws(ServiceError) -> RoundMeasures {
    let (model, round, participants) = locked { state in
      let classes = state.engine.participants.map {
        state.registry.devices[$0].registration.deviceClass
      }
      return (state.engine.model, state.engine.state.round, classes)
    }
    var measures = RoundMeasures()
    for name in participants { measures.participation[name, default: 0] += 1 }
    let isLast = round + 1 == configuration.roundCount
    let interval = configuration.testInterval
    guard task.testCount > 0, interval > 0, isLast || (round + 1) % interval == 0 else {
      return measures
    }
    do throws(LocalTrainingError) {
      measures.evaluation = try trainer.evaluate(
        LocalModel(whole: model),
        examples: (0..<Int32(task.testCount)).map { $0 },
        of: .test,
        queryExamples: (0..<Int32(min(Self.queryLimit, task.trainingCount))).map { $0 }
      )
    } catch {
      throw .training("\(error)")
    }
    return measures
  }

  /// So many training examples tell static batch norms their statistics.
  private static var queryLimit: Int { 5000 }

  private func finish(_ measures: RoundMeasures) throws(ServiceError) {
    let report = try locked { (state) throws(ServiceError) in
      do {
        let report = try state.engine.finish(measures)
        if let checkpoints {
          try state.engine.save(
            in: checkpoints,
            values: ["schedules": state.schedules, "limits": state.updateLimits]
          )
        } else {
          try state.engine.continueWithoutCheckpoint()
        }
        state.isFinished = state.engine.state.round >= configuration.roundCount
        return report
      } catch let error as RoundError {
        throw .round(error)
      } catch {
        throw .state("\(error)")
      }
    }
    log(.finished(report))
  }
}
