import Tensor

/// A result that was checked and lifted, ready to be counted.
public struct PreparedResult: Sendable {
  /// The result's names and numbers.
  public let taskID: Int
  let checksum: UInt64
  let byteCount: Int
  let loss: Double?
  /// What it adds, or why it is refused.
  let outcome: Result<Contribution, RoundError>
  let norm: Double
}

extension RoundEngine {
  /// Checks a result and brings it to global coordinates; changes nothing, so many threads may do it
  /// at once.
  ///
  /// - Parameters:
  ///   - result: what the device sent.
  ///   - task: what it was asked.
  ///   - local: the model that the device began with, where it is at hand; made again otherwise.
  /// - Returns: what `submit(_:now:)` takes; a faulty result is prepared too, and refused there.
  public func prepare(
    _ result: RoundResult,
    for task: RoundTask,
    local: LocalModel? = nil
  ) -> PreparedResult {
    let outcome: Result<Contribution, RoundError>
    do throws(RoundError) {
      outcome = .success(try contribution(of: result, for: task, local: local))
    } catch {
      outcome = .failure(error)
    }
    var norm = 0.0
    if case .success(let contribution) = outcome { norm = contribution.update.delta.norm }
    return PreparedResult(
      taskID: result.taskID,
      checksum: result.checksum ?? 0,
      byteCount: result.byteCount,
      loss: result.update.loss,
      outcome: outcome,
      norm: norm
    )
  }

  /// What a result means whose task is not open: without its task it cannot be prepared.
  ///
  /// - Parameters:
  ///   - id: the number of a task.
  ///   - checksum: of the update that came.
  ///   - byteCount: what came.
  /// - Returns: a duplicate, too late, or refused; nil where the task is open after all.
  public mutating func receive(closed id: Int, checksum: UInt64, byteCount: Int) -> Reception? {
    guard state.open[id] == nil else { return nil }
    if let known = state.received[id] {
      return known == checksum ? .duplicate : .rejected(.conflictingResult(task: id))
    }
    guard state.expired.remove(id) != nil else { return .rejected(.unknownTask(id)) }
    state.received[id] = checksum
    state.tally.uplinkBytes += byteCount
    state.tally.dropped += 1
    return .dropped
  }

  /// Whether a result of a task can be told from others.
  ///
  /// - Parameter id: the number of a task.
  /// - Returns: whether it is open, or was closed in the last two rounds.
  public func remembers(task id: Int) -> Bool {
    state.open[id] != nil || state.received[id] != nil || state.expired.contains(id)
  }

  private func contribution(
    of result: RoundResult,
    for task: RoundTask,
    local: LocalModel?
  ) throws(RoundError) -> Contribution {
    try check(result, of: task)
    let update = result.update
    let local = if let local { local } else { try localModel(for: task) }
    do {
      var lifted = try local.lifted(update)
      if aggregation.masksHead, let classes = task.classes {
        lifted = ClassMask(description).restricting(lifted, to: classes)
      }
      return Contribution(
        client: task.client,
        update: lifted,
        exampleCount: update.exampleCount,
        stepCount: update.stepCount
      )
    } catch {
      throw .invalidUpdate(client: task.client, reason: "\(error)")
    }
  }

  /// Stops unless a result is of its task, undamaged, and of no more examples than registered.
  private func check(_ result: RoundResult, of task: RoundTask) throws(RoundError) {
    let client = task.client
    guard result.round == task.round, result.planID == task.planID,
      result.modelVersion == task.modelVersion
    else {
      throw .incompatiblePlan(
        client: client,
        reason: "of round \(result.round) and model \(result.modelVersion), the task is of round "
          + "\(task.round) and model \(task.modelVersion)"
      )
    }
    let update = result.update
    if let checksum = result.checksum, checksum != update.checksum {
      throw .invalidUpdate(client: client, reason: "the checksum does not fit; send it again")
    }
    guard (0...task.exampleCount).contains(update.exampleCount), update.stepCount >= 0 else {
      throw .invalidUpdate(
        client: client,
        reason: "\(update.exampleCount) examples, \(task.exampleCount) are registered"
      )
    }
  }

  /// Counts results in their order.
  ///
  /// - Returns: what became of each.
  @discardableResult
  public mutating func submit(_ results: [PreparedResult], now: Double) -> [Reception] {
    state.now = max(state.now, now)
    return results.map { submit($0) }
  }

  private mutating func submit(_ result: PreparedResult) -> Reception {
    guard let task = state.open[result.taskID]?.task else {
      return receive(
        closed: result.taskID,
        checksum: result.checksum,
        byteCount: result.byteCount
      ) ?? .rejected(.unknownTask(result.taskID))
    }
    state.tally.uplinkBytes += result.byteCount
    guard isOpen(task) else { return drop(task, result.checksum) }
    switch result.outcome {
    case .failure(let error):
      return refuse(task, error)
    case .success(let contribution):
      if let fault = normFault(of: result.norm, client: task.client) { return refuse(task, fault) }
      return accept(contribution, of: task, result)
    }
  }

  /// Whether results of a task count now.
  private func isOpen(_ task: RoundTask) -> Bool {
    guard state.phase == .collect, !isReady else { return false }
    if task.round == state.round && task.attempt == state.attempt { return true }
    guard case .weighted(let limit) = settings.late else { return false }
    return state.modelVersion - task.modelVersion <= limit
  }

  private mutating func accept(
    _ contribution: Contribution,
    of task: RoundTask,
    _ result: PreparedResult
  ) -> Reception {
    let staleness = state.modelVersion - task.modelVersion
    var contribution = contribution
    if staleness > 0 {
      contribution.weightFactor = 1 / Double(1 + staleness).squareRoot()
      state.tally.stale += 1
    }
    if let privacy = aggregation.privacy {
      contribution.scale *= NormClipping(bound: privacy.clippingNorm).factor(for: result.norm)
      contribution.weightFactor = 1
    } else if let bound = aggregation.normBound {
      contribution.scale *= NormClipping(bound: bound).factor(for: result.norm)
    }
    let weight = aggregation.effectiveMean.weighting(contribution)
    if aggregation.normalizesSteps {
      contribution.scale /= Double(max(contribution.stepCount, 1))
      state.tally.weightSum += weight
      state.tally.stepSum += weight * Double(contribution.stepCount)
    }
    close(task, checksum: result.checksum)
    state.norms.note(result.norm)
    state.tally.reported += 1
    state.tally.participants.append(task.client)
    if let loss = result.loss, loss.isFinite {
      state.losses[task.client] = loss
      state.tally.lossSum += loss * Double(contribution.exampleCount)
      state.tally.lossWeight += Double(contribution.exampleCount)
    }
    pending.append(contribution)
    if pending.count >= Self.pendingLimit { flush() }
    return staleness > 0 ? .acceptedLate(staleness: staleness) : .accepted
  }

  /// So many results wait to be added together.
  private static let pendingLimit = 32

  /// Adds what waits to the sums.
  mutating func flush() {
    guard !pending.isEmpty, !aggregation.needsAllResults else { return }
    accumulator.add(pending, weighting: aggregation.effectiveMean.weighting)
    pending.removeAll(keepingCapacity: true)
  }

  private mutating func drop(_ task: RoundTask, _ checksum: UInt64) -> Reception {
    close(task, checksum: checksum)
    state.tally.dropped += 1
    return .dropped
  }

  private mutating func refuse(_ task: RoundTask, _ error: RoundError) -> Reception {
    state.open[task.id] = nil
    state.tally.rejections.append("\(error)")
    forgetModel(of: task)
    return .rejected(error)
  }

  private mutating func close(_ task: RoundTask, checksum: UInt64) {
    state.open[task.id] = nil
    state.received[task.id] = checksum
    forgetModel(of: task)
  }

  /// Lets go of an earlier model that no task needs any more.
  func forgetsModel(_ version: Int) -> Bool {
    !state.open.values.contains { $0.task.modelVersion == version }
  }

  private mutating func forgetModel(of task: RoundTask) {
    guard earlierModels[task.modelVersion] != nil, forgetsModel(task.modelVersion) else { return }
    earlierModels[task.modelVersion] = nil
  }

  /// Results of the round before the last one need not be told from new ones any more.
  mutating func forgetOldResults() {
    state.received = state.received.filter { $0.key >= state.oldestReceived }
    state.expired = state.expired.filter { $0 >= state.oldestReceived }
    state.oldestReceived = state.taskCount
  }
}

// MARK: - Time

extension RoundEngine {
  /// Notes a sign of life.
  ///
  /// - Throws: `RoundError.unknownTask` when the task is lost: the device should pull a new one.
  public mutating func heartbeat(task id: Int, now: Double) throws(RoundError) {
    guard state.open[id] != nil else { throw .unknownTask(id) }
    state.now = max(state.now, now)
    state.open[id]?.lastSeen = now
  }

  /// A device says that it cannot do its task.
  ///
  /// - Returns: the task of the device that takes its place; nil if there is none.
  public mutating func fail(
    task id: Int,
    with error: RoundError,
    now: Double
  ) -> RoundTask? {
    guard let task = state.open[id]?.task else { return nil }
    state.now = max(state.now, now)
    state.tally.rejections.append("\(error)")
    return lose(task, now: now)
  }

  /// Lets time pass: tasks without heartbeats are lost, and others take their place.
  ///
  /// - Returns: the lost tasks, and the new ones.
  public mutating func advance(to now: Double) -> (lost: [RoundTask], issued: [RoundTask]) {
    state.now = max(state.now, now)
    let lease = settings.leaseSeconds
    let lost = state.open.values.filter { $0.lastSeen + lease <= state.now }.map(\.task)
      .sorted { $0.id < $1.id }
    return (lost, lost.compactMap { lose($0, now: now) })
  }

  private mutating func lose(_ task: RoundTask, now: Double) -> RoundTask? {
    state.open[task.id] = nil
    forgetModel(of: task)
    if task.round == state.round { state.tally.lost += 1 }
    guard settings.reassignsLostTasks, state.phase == .collect, task.round == state.round,
      !isReady, !reserve.isEmpty
    else { return nil }
    return issue(reserve.removeFirst(), now: now)
  }

  /// Whether the round has all it waits for: the target, its deadline, or nobody left to report.
  public var isReady: Bool {
    guard state.phase == .collect else { return false }
    if state.tally.reported >= state.target { return true }
    if let deadline = state.deadline(settings), state.now >= deadline { return true }
    return state.open.isEmpty
  }
}
