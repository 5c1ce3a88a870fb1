import Tensor

extension FederatedSimulation {
  /// The most results that are in memory at once.
  private static var chunk: Int { 32 }

  /// Lets devices finish until the round has what it waits for.
  func collect() throws(SimulationError) {
    while !engine.isReady {
      let limit = boundary
      let missing = engine.state.target - engine.participants.count
      let batch = try finished(before: limit, count: min(Self.chunk, missing))
      guard batch.isEmpty else {
        try deliver(batch)
        continue
      }
      guard limit.isFinite else { return }
      for flight in flights where flight.finish ?? -.infinity > limit {
        // A task that the server has given up is none any more.
        try? engine.heartbeat(task: flight.task.id, now: limit)
      }
      let change = engine.advance(to: limit)
      let lost = Set(change.lost.map(\.id))
      for task in change.lost { note(.failed, of: task.client) }
      flights.removeAll { lost.contains($0.task.id) }
      launch(change.issued)
    }
  }

  /// The next time at which the server does something by itself: the deadline, or a lease that ends.
  private var boundary: Double {
    let lease = configuration.rounds.leaseSeconds
    let ends = flights.filter { $0.finish == nil }.map { $0.task.issued + lease }
    let deadline = configuration.rounds.deadline.map { engine.state.start + $0 }
    return min(ends.min() ?? .infinity, deadline ?? .infinity)
  }

  /// The next devices that are done; in asynchronous training each is replaced at once.
  private func finished(before limit: Double, count: Int) throws(SimulationError) -> [Flight] {
    var batch: [Flight] = []
    while batch.count < count, let next = flights.first, let finish = next.finish, finish <= limit {
      batch.append(flights.removeFirst())
      guard configuration.rounds.bufferSize != nil else { continue }
      let now = max(finish, engine.state.start)
      let done = Set(batch.map(\.task.id))
      clock = now
      let candidates = candidates(waiting: false)
      launch(
        try rounding { () throws(RoundError) in
          try engine.refill(candidates, finished: done, now: now)
        }
      )
    }
    return batch
  }

  /// Trains the models of some devices at once and hands their results over, in order.
  private func deliver(_ batch: [Flight]) throws(SimulationError) {
    let results = pool.map(batch.count) { trainer, index in
      Result { () throws(SimulationError) in try self.result(of: batch[index], trainer) }
    }
    for (flight, result) in zip(batch, results) {
      let (prepared, residual) = try result.get()
      residuals[flight.task.client] = residual
      let now = max(flight.finish ?? 0, engine.state.now)
      engine.submit([prepared], now: now)
      note(.finished(seconds: now - flight.task.issued), of: flight.task.client)
      var faults = draws(flight.task.client, .faults, round: flight.task.round)
      if faults.uniform() < Float(configuration.faults.duplicate) {
        engine.submit([prepared], now: now)
      }
    }
  }

  /// The result of a device, and what it keeps for later updates.
  private func result(
    of flight: Flight,
    _ trainer: LocalTrainer
  ) throws(SimulationError) -> (PreparedResult, residual: ParameterSet?) {
    let task = flight.task
    let local = try rounding { () throws(RoundError) in try engine.localModel(for: task) }
    let job = LocalJob(
      model: local,
      examples: fleet.examples[task.client],
      settings: configuration.training,
      batches: .shuffled(batchDraws(of: task)),
      stepLimit: flight.stepLimit
    )
    var update: ParameterUpdate
    do throws(LocalTrainingError) { update = try trainer.train(job) } catch {
      throw .training(client: task.client, error)
    }
    var faults = draws(task.client, .faults, round: task.round).fork(1)
    if faults.uniform() < Float(configuration.faults.corruption) {
      update.delta = update.delta.mapValues { $0 * Float.nan }
    }
    let (bytes, residual) = try send(&update, of: local, task)
    let result = RoundResult(of: task, update: update, byteCount: bytes)
    return (engine.prepare(result, for: task, local: local), residual)
  }

  /// Noise, sparse values and few bits, as the device's plan has it: the update becomes what arrives.
  ///
  /// - Returns: the bytes on the way, and what was not sent.
  private func send(
    _ update: inout ParameterUpdate,
    of local: LocalModel,
    _ task: RoundTask
  ) throws(SimulationError) -> (bytes: Int, residual: ParameterSet?) {
    var draws = draws(task.client, .uplink, round: task.round).fork(task.attempt)
    if let privacy = configuration.localPrivacy {
      update.delta = privacy(update.delta, of: local, using: &draws)
    }
    let residual = residuals[task.client]
    guard task.plan.update.isPacked || !local.masks.isEmpty else {
      return (4 * update.delta.scalarCount, residual)
    }
    var compressor = UpdateCompressor(residual: residual ?? ParameterSet())
    do throws(FederatedError) {
      let layout = UpdateLayout(local)
      let packed = try compressor.pack(update.delta, of: local, using: &draws)
      update.delta = packed.unpacked(layout)
      let keeps = task.plan.update.keepsResidual && task.plan.update.isPacked
      return (packed.encoded(layout).count, keeps ? compressor.residual : nil)
    } catch {
      throw .round(.invalidUpdate(client: task.client, reason: "\(error)"))
    }
  }
}

extension UpdatePlan {
  /// Whether less than all numbers in single precision is sent.
  var isPacked: Bool { topShare != nil || bits < 32 }
}
