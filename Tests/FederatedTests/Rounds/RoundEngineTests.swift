import Federated
import Tensor
import TestSupport
import Testing

@Suite struct RoundEngineTests {
  static let model = ParameterSet([
    ("layers.0.weight", Tensor<Float>([1, 2, 3, 4], shape: [2, 2])),
    ("layers.0.bias", Tensor<Float>([0, 1])),
  ])

  static func engine(
    _ settings: RoundSettings = RoundSettings(),
    _ aggregation: AggregationSettings = AggregationSettings(),
    seed: UInt64 = 1
  ) throws -> RoundEngine {
    try RoundEngine(
      model: model,
      description: .mlp(widths: [2, 2]),
      settings: settings,
      aggregation: aggregation,
      seed: seed
    )
  }

  static func candidates(_ count: Int) -> [RoundCandidate] {
    (0..<count).map { RoundCandidate(client: $0, exampleCount: 10 + $0) }
  }

  /// A result whose change is `value` everywhere.
  static func result(
    _ task: RoundTask,
    _ value: Float,
    examples: Int? = nil,
    steps: Int = 1
  ) -> RoundResult {
    let update = ParameterUpdate(
      delta: model.mapValues { Tensor(repeating: value, shape: $0.shape) },
      exampleCount: examples ?? task.exampleCount,
      stepCount: steps,
      loss: Double(value)
    )
    return RoundResult(of: task, update: update, checksum: update.checksum, byteCount: 24)
  }

  static func submit(
    _ engine: inout RoundEngine,
    _ task: RoundTask,
    _ value: Float,
    now: Double
  ) -> Reception {
    engine.submit([engine.prepare(result(task, value), for: task)], now: now)[0]
  }

  @Test func aRoundPassesAllPhases() throws {
    var engine = try Self.engine()
    #expect(engine.state.phase == .idle)
    let tasks = try engine.begin(Self.candidates(3), now: 5)
    #expect(engine.state.phase == .collect && tasks.count == 3)
    for task in tasks { #expect(Self.submit(&engine, task, Float(task.client), now: 6) == .accepted) }
    #expect(engine.isReady)
    #expect(try engine.aggregate())
    #expect(engine.state.phase == .evaluate)
    // (0 · 10 + 1 · 11 + 2 · 12) / 33
    let mean: Float = 35 / 33
    expectClose(
      engine.model.flat,
      Self.model.flat.map { $0 + mean },
      absolute: 1e-6
    )
    let report = try engine.finish(RoundMeasures())
    #expect(engine.state.phase == .checkpoint)
    #expect(report.reported == 3 && report.uplinkBytes == 72 && report.start == 5 && report.end == 6)
    #expect(report.coverage.minimum == 3 && report.coverage.histogram == [0, 0, 0, 6])
    try engine.continueWithoutCheckpoint()
    #expect(engine.state.phase == .idle && engine.state.round == 1 && engine.state.modelVersion == 1)
  }

  @Test func callsOutOfOrderAreRefused() throws {
    var engine = try Self.engine()
    #expect(throws: RoundError.wrongPhase(expected: .collect, found: .idle)) {
      try engine.aggregate()
    }
    _ = try engine.begin(Self.candidates(3), now: 0)
    #expect(throws: RoundError.wrongPhase(expected: .idle, found: .collect)) {
      try engine.begin(Self.candidates(3), now: 0)
    }
    #expect(throws: RoundError.wrongPhase(expected: .evaluate, found: .collect)) {
      try engine.finish(RoundMeasures())
    }
  }

  @Test func overSamplingClosesAtTheTarget() throws {
    var settings = RoundSettings()
    settings.fraction = 0.5
    var engine = try Self.engine(settings)
    let tasks = try engine.begin(Self.candidates(20), now: 0)
    #expect(tasks.count == 13 && engine.state.target == 10)
    for task in tasks.prefix(10) { #expect(Self.submit(&engine, task, 1, now: 1) == .accepted) }
    #expect(engine.isReady)
    #expect(Self.submit(&engine, tasks[10], 1, now: 1) == .dropped)
    #expect(try engine.aggregate())
    // Late ones are told from unknown ones, and count as traffic alone.
    #expect(Self.submit(&engine, tasks[11], 1, now: 2) == .dropped)
    let report = try engine.finish(RoundMeasures())
    #expect(report.reported == 10 && report.dropped == 2 && report.lost == 2)
    #expect(report.uplinkBytes == 12 * 24)
  }

  @Test func tooFewReportsRepeatTheRoundAndChangeNothing() throws {
    var settings = RoundSettings()
    settings.minimumReports = 3
    settings.deadline = 10
    settings.reassignsLostTasks = false
    settings.mostAttempts = 2
    var engine = try Self.engine(settings)
    var tasks = try engine.begin(Self.candidates(4), now: 0)
    for task in tasks.prefix(2) { #expect(Self.submit(&engine, task, 1, now: 1) == .accepted) }
    #expect(!engine.isReady)
    _ = engine.advance(to: 10)
    #expect(engine.isReady)
    #expect(try !engine.aggregate())
    #expect(engine.model == Self.model && engine.state.modelVersion == 0 && engine.state.attempt == 1)
    tasks = try engine.begin(Self.candidates(4), now: 11)
    #expect(tasks.allSatisfy { $0.round == 0 && $0.attempt == 1 })
    _ = engine.advance(to: 21)
    #expect(throws: RoundError.tooFewClients(available: 0, needed: 3)) { try engine.aggregate() }
    #expect(engine.model == Self.model)
  }

  @Test func duplicatesChangeNothingAndConflictsAreRefused() throws {
    var engine = try Self.engine()
    let tasks = try engine.begin(Self.candidates(3), now: 0)
    #expect(Self.submit(&engine, tasks[0], 1, now: 1) == .accepted)
    #expect(Self.submit(&engine, tasks[0], 1, now: 1) == .duplicate)
    #expect(
      Self.submit(&engine, tasks[0], 2, now: 1)
        == .rejected(.conflictingResult(task: tasks[0].id))
    )
    #expect(engine.participants == [tasks[0].client])
    for task in tasks.dropFirst() { #expect(Self.submit(&engine, task, 1, now: 1) == .accepted) }
    #expect(try engine.aggregate())
    expectClose(engine.model.flat, Self.model.flat.map { $0 + 1 }, absolute: 1e-6)
    // Also after the round.
    try engine.finish(RoundMeasures())
    try engine.continueWithoutCheckpoint()
    _ = try engine.begin(Self.candidates(3), now: 2)
    #expect(Self.submit(&engine, tasks[0], 1, now: 3) == .duplicate)
  }

  @Test func faultyResultsAreRefusedWithTheirReason() throws {
    var engine = try Self.engine()
    let tasks = try engine.begin(Self.candidates(8), now: 0)
    func receive(_ change: (inout RoundResult) -> Void) -> RoundError? {
      let task = tasks.first { engine.state.open[$0.id] != nil } ?? tasks[0]
      var result = Self.result(task, 1)
      change(&result)
      guard
        case .rejected(let error) = engine.submit([engine.prepare(result, for: task)], now: 1)[0]
      else { return nil }
      return error
    }
    func isInvalid(_ error: RoundError?) -> Bool {
      if case .invalidUpdate = error { true } else { false }
    }
    #expect(isInvalid(receive { $0.checksum = 7 }))
    #expect(
      isInvalid(
        receive {
          $0.update.delta["layers.0.bias"] = [.nan, 0]
          $0.checksum = nil
        }
      )
    )
    #expect(
      isInvalid(
        receive {
          $0.update.delta["layers.0.bias"] = [1, 2, 3]
          $0.checksum = nil
        }
      )
    )
    #expect(
      isInvalid(
        receive {
          $0.update.exampleCount = 1000
          $0.checksum = nil
        }
      )
    )
    guard case .incompatiblePlan = receive({ $0.planID ^= 1 }) else {
      Issue.record("a result of another plan")
      return
    }
    guard case .incompatiblePlan = receive({ $0.modelVersion = 4 }) else {
      Issue.record("a result of another model")
      return
    }
    #expect(engine.participants.isEmpty)
    let left = tasks.filter { engine.state.open[$0.id] != nil }
    #expect(left.count == 2)
    for task in left { #expect(Self.submit(&engine, task, 1, now: 1) == .accepted) }
    #expect(try engine.aggregate())
    let report = try engine.finish(RoundMeasures())
    #expect(report.rejections.count == 6 && report.warnings.contains { $0.contains("6 results") })
  }

  @Test func updatesFarAboveTheMedianNormAreRefused() throws {
    var settings = RoundSettings()
    settings.overSampling = 1
    var engine = try Self.engine(settings)
    let tasks = try engine.begin(Self.candidates(8), now: 0)
    for task in tasks.prefix(5) { #expect(Self.submit(&engine, task, 1, now: 1) == .accepted) }
    guard case .rejected(.invalidUpdate) = Self.submit(&engine, tasks[5], 11, now: 1) else {
      Issue.record("eleven times the median norm")
      return
    }
    #expect(Self.submit(&engine, tasks[6], 9, now: 1) == .accepted)
  }

  @Test func silentDevicesLoseTheirTaskToOthers() throws {
    var settings = RoundSettings()
    settings.fraction = 0.4
    settings.overSampling = 1
    var engine = try Self.engine(settings)
    let tasks = try engine.begin(Self.candidates(10), now: 0)
    #expect(tasks.count == 4)
    for task in tasks.prefix(3) { try engine.heartbeat(task: task.id, now: 50) }
    #expect(engine.advance(to: 59).lost.isEmpty)
    let change = engine.advance(to: 60)
    #expect(change.lost == [tasks[3]] && change.issued.count == 1)
    #expect(!tasks.map(\.client).contains(change.issued[0].client))
    #expect(throws: RoundError.unknownTask(tasks[3].id)) {
      try engine.heartbeat(task: tasks[3].id, now: 61)
    }
    for task in tasks.prefix(3) + change.issued {
      #expect(Self.submit(&engine, task, 1, now: 70) == .accepted)
    }
    #expect(engine.isReady)
    #expect(try engine.aggregate())
    #expect(try engine.finish(RoundMeasures()).lost == 1)
  }

  @Test func lateResultsCountLessByTheirAge() throws {
    var settings = RoundSettings()
    settings.late = .weighted(limit: 5)
    settings.deadline = 10
    settings.heartbeatSeconds = 1000
    var aggregation = AggregationSettings()
    aggregation.mean.weighting = .uniform
    var engine = try Self.engine(settings, aggregation)
    let first = try engine.begin(Self.candidates(3), now: 0)
    for task in first.prefix(2) { #expect(Self.submit(&engine, task, 0, now: 1) == .accepted) }
    _ = engine.advance(to: 10)
    #expect(try engine.aggregate())
    try engine.finish(RoundMeasures())
    try engine.continueWithoutCheckpoint()
    // The slow device is busy; its result of model 0 counts beside those of model 1.
    let second = try engine.begin(Self.candidates(3), now: 11)
    #expect(Set(second.map(\.client)) == Set(first.prefix(2).map(\.client)))
    #expect(Self.submit(&engine, first[2], 4, now: 12) == .acceptedLate(staleness: 1))
    #expect(Self.submit(&engine, second[0], 0, now: 13) == .accepted)
    #expect(engine.isReady)
    #expect(try engine.aggregate())
    // 4 · 2^−1/2 / (2^−1/2 + 1)
    let weight = Float(0.5).squareRoot()
    let expected = 4 * weight / (weight + 1)
    expectClose(engine.model.flat, Self.model.flat.map { $0 + expected }, absolute: 1e-5)
    #expect(try engine.finish(RoundMeasures()).stale == 1)
  }

  @Test func theOrderOfResultsDoesNotMatter() throws {
    func run(_ reversed: Bool) throws -> ParameterSet {
      var engine = try Self.engine()
      let tasks = try engine.begin(Self.candidates(9), now: 0)
      for task in reversed ? tasks.reversed() : tasks {
        #expect(Self.submit(&engine, task, 0.1 * Float(task.client), now: 1) == .accepted)
      }
      #expect(try engine.aggregate())
      return engine.model
    }
    expectClose(try run(true).flat, try run(false).flat, absolute: 1e-6)
  }

  @Test func wrongSettingsAreRefused() {
    func fault(_ change: (inout RoundSettings) -> Void) -> String? {
      var settings = RoundSettings()
      change(&settings)
      return settings.fault
    }
    #expect(fault { _ in } == nil)
    #expect(fault { $0.fraction = 0 } != nil)
    #expect(fault { $0.overSampling = 0.5 } != nil)
    #expect(fault { $0.deadline = -1 } != nil)
    #expect(fault { $0.bufferSize = 3 } != nil)
    #expect(throws: RoundError.settings("a fraction of 2.0")) {
      var settings = RoundSettings()
      settings.fraction = 2
      _ = try Self.engine(settings)
    }
  }
}
