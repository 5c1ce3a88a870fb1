import Federated
import Tensor
import Testing

@Suite struct ClientSamplingTests {
  /// How often each of five devices is asked, alone, in 2000 rounds.
  private func counts(
    _ sampling: RoundSettings.Sampling,
    _ candidates: [RoundCandidate],
    deadline: Double? = nil
  ) throws -> [Int] {
    var settings = RoundSettings()
    settings.sampling = sampling
    settings.fraction = 0.2
    settings.minimumReports = 1
    settings.overSampling = 1
    settings.deadline = deadline
    var result = [Int](repeating: 0, count: candidates.count)
    for seed in 0..<2000 as Range<UInt64> {
      var engine = try RoundEngineTests.engine(settings, seed: seed)
      let tasks = try engine.begin(candidates, now: 0)
      #expect(tasks.count == 1)
      result[tasks[0].client] += 1
    }
    return result
  }

  @Test func everyDeviceIsAskedEquallyOften() throws {
    let found = try counts(.uniform, RoundEngineTests.candidates(5))
    // 400 each, with a deviation of 18: four deviations.
    #expect(found.allSatisfy { abs($0 - 400) < 72 }, "\(found)")
  }

  @Test func examplesMakeDevicesLikelier() throws {
    let candidates = [10, 20, 30, 40, 100].enumerated().map {
      RoundCandidate(client: $0, exampleCount: $1)
    }
    let found = try counts(.byExampleCount, candidates)
    // Shares 1/20, 2/20, 3/20, 4/20, 10/20 of 2000; the largest deviation is 22.
    for (count, expected) in zip(found, [100, 200, 300, 400, 1000]) {
      #expect(abs(count - expected) < 90, "\(found)")
    }
  }

  @Test func slowDevicesAreAskedLast() throws {
    let candidates = (0..<5).map {
      RoundCandidate(client: $0, exampleCount: 10, expectedSeconds: $0 < 2 ? 5 : 50)
    }
    let found = try counts(.byDeadline, candidates, deadline: 10)
    #expect(found[2...].allSatisfy { $0 == 0 } && found[0] > 800 && found[1] > 800, "\(found)")
  }

  @Test func largeLossesComeFirst() throws {
    var settings = RoundSettings()
    settings.sampling = .byLoss(candidates: 5)
    settings.fraction = 0.4
    settings.overSampling = 1
    settings.reassignsLostTasks = false
    var engine = try RoundEngineTests.engine(settings)
    var asked: Set<Int> = []
    // Each device's loss is its number; those that never reported come first.
    for round in 0..<4 {
      let tasks = try engine.begin(RoundEngineTests.candidates(5), now: Double(round))
      if round < 2 { #expect(tasks.allSatisfy { !asked.contains($0.client) }) }
      if round == 3 { #expect(Set(tasks.map(\.client)) == [3, 4]) }
      asked.formUnion(tasks.map(\.client))
      for task in tasks {
        _ = RoundEngineTests.submit(
          &engine,
          task,
          Float(task.client),
          now: Double(round)
        )
      }
      #expect(try engine.aggregate())
      try engine.finish(RoundMeasures())
      try engine.continueWithoutCheckpoint()
    }
    #expect(asked == [0, 1, 2, 3, 4])
  }
}
