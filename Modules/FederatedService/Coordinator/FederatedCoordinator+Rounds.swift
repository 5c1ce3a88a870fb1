import Dispatch
import Federated

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
    let (events, hasBegun) = try rounding { (state) throws(RoundError) in
      let present = state.available(at: now)
      let needed = neededCount(state, now)
      guard present.count >= needed else {
        return (wait(&state, now, available: present.count, eligible: nil, needed: needed), false)
      }
      guard now >= state.retryTime else { return ([], false) }
      var (candidates, events) = self.candidates(present, &state)
      let least = configuration.rounds.minimumReports
      guard candidates.count >= least else {
        state.retryTime = now + Self.planningPause
        events += wait(
          &state,
          now,
          available: present.count,
          eligible: candidates.count,
          needed: least
        )
        return (events, false)
      }
      let tasks = try state.engine.begin(candidates, now: now)
      (state.hasBegun, state.wait) = (true, nil)
      state.forgetLimits()
      assign(tasks, &state)
      let began = CoordinatorEvent.began(
        round: state.engine.state.round,
        attempt: state.engine.state.attempt,
        tasks: tasks.count,
        available: present.count
      )
      return (events + [began], true)
    }
    events.forEach(log)
    return hasBegun
  }

  /// So many seconds pass before plans are made again for devices that are too few with one.
  private static var planningPause: Double { 1 }

  /// How many devices must be there for the next round.
  private func neededCount(_ state: CoordinatorState, _ now: Double) -> Int {
    guard state.engine.state.round > 0 || state.engine.state.attempt > 0,
      state.hasBegun || now - startTime >= configuration.gatherSeconds
    else { return configuration.deviceCount }
    return configuration.rounds.minimumReports
  }

  /// Notes that a round waits for devices; what the log should say of it now.
  private func wait(
    _ state: inout CoordinatorState,
    _ now: Double,
    available: Int,
    eligible: Int?,
    needed: Int
  ) -> [CoordinatorEvent] {
    guard let wait = state.wait else {
      state.wait = RoundWait(start: now, notice: configuration.noticeSeconds)
      return []
    }
    let seconds = now - wait.start
    guard seconds >= wait.notice else { return [] }
    state.wait?.notice = 2 * seconds
    return [.waiting(seconds: seconds, available: available, eligible: eligible, needed: needed)]
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
