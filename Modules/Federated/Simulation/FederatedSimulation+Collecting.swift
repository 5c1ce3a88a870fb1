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
      let prepared = try result.get()
      let now = max(flight.finish ?? 0, engine.state.now)
      engine.submit([prepared], now: now)
      var faults = draws(flight.task.client, .faults, round: flight.task.round)
      if faults.uniform() < Float(configuration.faults.duplicate) {
        engine.submit([prepared], now: now)
      }
    }
  }

  /// The result of a device.
  private func result(
    of flight: Flight,
    _ trainer: LocalTrainer
  ) throws(SimulationError) -> PreparedResult {
    let task = flight.task
    let local = try rounding { () throws(RoundError) in try engine.localModel(for: task) }
    let batches = draws(task.client, .batches, round: task.round).fork(task.attempt)
    let job = LocalJob(
      model: local,
      examples: fleet.examples[task.client],
      settings: configuration.training,
      batches: .shuffled(batches),
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
    let bytes = cost(task.plan).uplinkBytes
    return engine.prepare(
      RoundResult(of: task, update: update, byteCount: bytes),
      for: task,
      local: local
    )
  }
}
