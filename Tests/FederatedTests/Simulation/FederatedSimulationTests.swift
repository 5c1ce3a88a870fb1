import Autograd
import Federated
import Tensor
import TestSupport
import Testing

@Suite struct FederatedSimulationTests {
  static let task = VectorTask.random(count: 240, width: 8, hidden: [8], classCount: 4, seed: 2)

  /// Twelve devices of three widths with faults, four rounds.
  static func configuration(
    _ change: (inout SimulationConfiguration) -> Void = { _ in }
  ) -> SimulationConfiguration {
    var configuration = SimulationConfiguration()
    configuration.deviceCount = 12
    configuration.partition = .even
    configuration.roundCount = 4
    configuration.training.batchSize = 8
    configuration.rounds.fraction = 0.5
    configuration.classes = [.init(.edge, share: 1), .init(.phone, share: 1)]
    configuration.planning = .fixed([
      .full, .slice(Rate(1, of: 2)),
      DevicePlan(
        width: WidthPlan(Rate(1, of: 4), pattern: .rolling),
        update: UpdatePlan(topShare: Rate(1, of: 4), bits: 8)
      ),
    ])
    configuration.faults.dropOut = 0.1
    configuration.faults.duplicate = 0.2
    configuration.measuring.clientInterval = 2
    configuration.measuring.measuresSlices = true
    change(&configuration)
    return configuration
  }

  static let variants: [SimulationConfiguration] = [
    configuration(),
    configuration {
      $0.name = "asynchronous"
      $0.rounds.late = .weighted(limit: 8)
      $0.rounds.bufferSize = 3
    },
    configuration {
      $0.name = "late"
      $0.rounds.late = .weighted(limit: 8)
      $0.rounds.deadline = 0.002
      $0.faults.timeSpread = 2
      $0.faults.dropOut = 0
      $0.rounds.minimumReports = 1
    },
    configuration {
      $0.name = "masks"
      $0.planning = .fixed([
        .full, DevicePlan(mask: MaskPlan(density: Rate(1, of: 2), regrowth: Rate(1, of: 20))),
        DevicePlan(lowBit: LowBitPlan(bits: 4)), DevicePlan(rank: .fixed(2)),
      ])
      $0.rounds.maskInterval = 2
      $0.aggregation.optimizer = .init(.adam())
    },
    configuration {
      $0.name = "private"
      $0.aggregation.privacy = CentralPrivacy(noiseMultiplier: 0.5, expectedClients: 8)
      $0.planning = .resampled(Rate.levels.prefix(3).map { .slice($0) })
    },
    configuration {
      $0.name = "planned"
      $0.planning = .planned
      $0.classes = [.init(.mcu, share: 1), .init(.edge, share: 1), .init(.phone, share: 1)]
      $0.rounds.deadline = 0.05
      $0.rounds.minimumReports = 1
    },
    configuration {
      $0.name = "median"
      $0.aggregation.rule = .median
      $0.faults.corruption = 0.2
    },
  ]

  private func run(
    _ configuration: SimulationConfiguration,
    folder: CheckpointFolder? = nil
  ) throws -> (rounds: [RoundReport], model: ParameterSet) {
    let simulation = try FederatedSimulation(Self.task, configuration, seed: 7)
    let report = try simulation.run(folder: folder)
    return (report.rounds, simulation.engine.model)
  }

  @Test(arguments: variants)
  func theNumberOfThreadsChangesNothing(configuration: SimulationConfiguration) throws {
    let before = WorkPool.threadCount
    defer { WorkPool.threadCount = before }
    WorkPool.threadCount = 1
    let one = try run(configuration)
    WorkPool.threadCount = 4
    let four = try run(configuration)
    #expect(one.rounds == four.rounds)
    #expect(one.model == four.model)
    #expect(one.rounds.count == 4)
    #expect(one.model != Self.task.initialParameters(seed: 7))
  }

  @Test(arguments: variants)
  func aResumedRunGivesTheSameBits(configuration: SimulationConfiguration) throws {
    let whole = try run(configuration)
    try withTemporaryFolder { path in
      let folder = try CheckpointFolder(at: path + "/checkpoints")
      for stop in 1...3 {
        let part = try FederatedSimulation(Self.task, configuration, seed: 7)
        #expect(throws: SimulationError.self) {
          try part.run(folder: folder, shouldStop: { part.engine.state.round == stop })
        }
      }
      #expect(folder.steps == [1, 2, 3])
      let rest = try run(configuration, folder: folder)
      #expect(rest.rounds == whole.rounds)
      #expect(rest.model == whole.model)
    }
  }

  @Test func aCheckpointOfAnotherRunIsRefused() throws {
    try withTemporaryFolder { path in
      let folder = try CheckpointFolder(at: path + "/checkpoints")
      _ = try run(Self.configuration { $0.roundCount = 1 }, folder: folder)
      let other = try FederatedSimulation(
        Self.task,
        Self.configuration { $0.training.learningRate = 1 },
        seed: 7
      )
      #expect(throws: SimulationError.self) { try other.run(folder: folder) }
      let seeded = try FederatedSimulation(Self.task, Self.configuration(), seed: 8)
      #expect(throws: SimulationError.self) { try seeded.run(folder: folder) }
      // More rounds of the same run are welcome, under any name.
      let more = try run(Self.configuration { $0.name = "renamed" }, folder: folder)
      #expect(more.rounds.count == 4)
    }
  }

  @Test func theMessageSaysWhatDiffers() throws {
    try withTemporaryFolder { path in
      let folder = try CheckpointFolder(at: path + "/checkpoints")
      _ = try run(Self.configuration { $0.roundCount = 1 }, folder: folder)
      func message(
        _ task: VectorTask,
        _ change: (inout SimulationConfiguration) -> Void = { _ in }
      ) throws -> String {
        let other = try FederatedSimulation(task, Self.configuration(change), seed: 7)
        let error = try #require(throws: SimulationError.self) { try other.run(folder: folder) }
        return "\(error)"
      }
      let rate = try message(Self.task) { $0.training.learningRate = 1 }
      #expect(rate.contains("training.learningRate"), "\(rate)")
      // The same network on fewer examples.
      let fewer = VectorTask.random(count: 120, width: 8, hidden: [8], classCount: 4, seed: 2)
      let data = try message(fewer)
      #expect(data.contains("task.data") && !data.contains("task.model"), "\(data)")
    }
  }

  @Test func identitiesTellTasksApart() {
    let task = Self.task
    let same = VectorTask.random(count: 240, width: 8, hidden: [8], classCount: 4, seed: 2)
    let wider = VectorTask.random(count: 240, width: 8, hidden: [9], classCount: 4, seed: 2)
    let fewer = VectorTask.random(count: 239, width: 8, hidden: [8], classCount: 4, seed: 2)
    #expect(TaskIdentity(of: task) == TaskIdentity(of: same))
    #expect(TaskIdentity(of: task).model != TaskIdentity(of: wider).model)
    #expect(TaskIdentity(of: task).data == TaskIdentity(of: wider).data)
    #expect(TaskIdentity(of: task).data != TaskIdentity(of: fewer).data)
  }

  @Test func wholeModelsOnAllDevicesAreFederatedAveraging() throws {
    let configuration = Self.configuration {
      $0.planning = .fixed([.slice(.one)])
      $0.faults = SimulationConfiguration.Faults()
      $0.rounds.fraction = 1
      $0.rounds.overSampling = 1
      $0.roundCount = 1
    }
    let found = try run(configuration)
    // The same round by hand: twelve devices of 20 examples, each weighted alike.
    let start = Self.task.initialParameters(seed: 7)
    let trained = try FederatedSimulation(Self.task, configuration, seed: 7).handMadeUpdates()
    var mean = ParameterSet.zeros(like: start)
    for update in trained { mean.add(update, scale: 1 / Float(trained.count)) }
    #expect(trained.count == 12)
    expectClose(found.model.flat, start.adding(mean).flat, absolute: 1e-5)
    #expect(found.rounds[0].coverage.minimum == 12)
  }

  @Test func trainingHelps() throws {
    let configuration = Self.configuration {
      $0.roundCount = 15
      $0.training.learningRate = 0.2
      $0.training.epochs = 3
    }
    let found = try run(configuration)
    let first = try #require(found.rounds.first?.evaluation?.loss)
    let last = try #require(found.rounds.last?.evaluation)
    #expect(last.loss < 0.8 * first && last.accuracy > 0.5)
    #expect(Set(found.rounds.last?.slices.keys.map { $0 } ?? []) == ["1", "1/2", "1/4"])
    let clients = try #require(found.rounds.last?.clients)
    #expect(clients.count == 12 && clients.worstDecile <= clients.mean)
  }

  @Test func uncoveredEntriesAreWarnedOf() throws {
    let configuration = Self.configuration {
      $0.planning = .fixed([.slice(Rate(1, of: 2))])
      $0.rounds.coveragePatience = 2
      $0.roundCount = 4
    }
    let rounds = try run(configuration).rounds
    #expect(rounds.allSatisfy { $0.coverage.minimum == 0 })
    #expect(rounds.map(\.coverage.roundsWithGaps) == [1, 2, 3, 4])
    let warned = rounds.map { $0.warnings.contains { $0.contains("coverage index 0") } }
    #expect(warned == [false, false, true, true])
  }

  @Test func slowDevicesMissTheDeadline() throws {
    // 432 bytes take 29 ms down to a microcontroller and up again, and 0.02 ms to a server.
    let configuration = Self.configuration {
      $0.classes = [.init(.mcu, share: 1), .init(.server, share: 1)]
      $0.planning = .fixed([.full])
      $0.faults = SimulationConfiguration.Faults()
      $0.rounds.fraction = 1
      $0.rounds.deadline = 0.005
      $0.rounds.overSampling = 1
    }
    let report = try FederatedSimulation(Self.task, configuration, seed: 7).run()
    let slow = try #require(report.devices.classes["mcu"])
    #expect((4...8).contains(slow))
    for round in report.rounds {
      #expect(round.participation == ["server": 12 - slow])
      #expect(round.lost == slow && abs(round.end - round.start - 0.005) < 1e-12)
    }
  }

  @Test func timeBoxesSaveSlowDevices() throws {
    let task = VectorTask.random(count: 240, width: 64, hidden: [64], classCount: 4, seed: 2)
    var configuration = Self.configuration {
      $0.classes = [.init(.mcu, share: 1)]
      $0.planning = .fixed([.full])
      $0.faults = SimulationConfiguration.Faults()
      $0.faults.timeSpread = 0
      $0.rounds.fraction = 1
      $0.roundCount = 1
    }
    let free = try FederatedSimulation(task, configuration, seed: 1).run()
    configuration.rounds.deadline = free.rounds[0].end * 0.995
    #expect(throws: SimulationError.self) {
      try FederatedSimulation(task, configuration, seed: 1).run()
    }
    configuration.faults.boxesTime = true
    let boxed = try FederatedSimulation(task, configuration, seed: 1).run()
    #expect(boxed.rounds[0].reported == 12)
    #expect(boxed.rounds[0].end <= configuration.rounds.deadline ?? 0)
  }

  @Test func bufferedTrainingKeepsItsDevicesBusy() throws {
    let configuration = Self.configuration {
      $0.rounds.late = .weighted(limit: 20)
      $0.rounds.bufferSize = 4
      $0.faults = SimulationConfiguration.Faults()
      $0.faults.timeSpread = 1
      $0.roundCount = 10
    }
    let rounds = try run(configuration).rounds
    #expect(rounds.allSatisfy { $0.reported == 4 })
    #expect(rounds.dropFirst().contains { $0.stale > 0 })
    // The first round asks half of the devices, later ones replace those that report.
    #expect(rounds[0].selected >= 6)
  }
}

extension FederatedSimulation {
  /// The updates of all devices from the first model, by a trainer of their own.
  fileprivate func handMadeUpdates() throws -> [ParameterSet] {
    var engine = engine
    let tasks = try engine.begin(
      (0..<configuration.deviceCount).map {
        RoundCandidate(client: $0, exampleCount: examples(of: $0).count)
      },
      now: 0
    )
    let trainer = LocalTrainer(task)
    return try tasks.sorted { $0.client < $1.client }.map { task in
      let job = LocalJob(
        model: LocalModel(whole: engine.model),
        examples: examples(of: task.client),
        settings: configuration.training,
        batches: .shuffled(batchDraws(of: task))
      )
      return try trainer.train(job).delta
    }
  }
}
