import Autograd
@testable import GUIGrounding
import Tensor
import TestSupport
import Testing

@Suite struct ReinforcementTrainingTests {
  private func options(
    _ change: (inout ReinforcementOptions) -> Void = { _ in }
  ) -> ReinforcementOptions {
    var options = ReinforcementOptions(steps: 6, seed: 4)
    options.promptCount = 3
    options.settings.groupSize = 4
    options.checkpointInterval = 1
    options.rate = PolicyRate(peak: 1e-3, warmUpSteps: 1, finalShare: 1)
    change(&options)
    return options
  }

  private static let variants: [ReinforcementOptions] = {
    func variant(_ change: (inout ReinforcementOptions) -> Void) -> ReinforcementOptions {
      var options = ReinforcementTrainingTests().options()
      change(&options)
      return options
    }
    return [
      variant { $0.settings.reduction = .grpo },
      variant {
        $0.updatesPerRollout = 3
        $0.settings.beta = 0.1
        $0.temperature = 0.7
      },
      variant {
        $0.maximumResampling = 2
        $0.settings.reduction = .dapo
        $0.settings.ratioLevel = .sequence
        $0.updatesPerRollout = 2
      },
    ]
  }()

  @Test(arguments: variants, [1, 2, 3, 5])
  func aRunThatIsStoppedAtAnyStepGoesOnWithTheSameNumbers(
    _ options: ReinforcementOptions,
    _ stop: Int
  ) throws {
    try withTemporaryFolder { folder in
      let pages = largeTargets(9, seed: 1)
      let rewards = WeightedRewards([.init(TokenSumReward()), .init(HitReward())])
      func training(_ name: String, _ policy: NativeGroundingPolicy) -> ReinforcementTraining {
        ReinforcementTraining(
          at: folder + name,
          of: policy,
          on: pages,
          options,
          rewards: rewards
        )
      }
      let whole = smallPolicy()
      try training("/a", whole).run()
      var first = training("/b", smallPolicy())
      var asked = 0
      first.shouldStop = {
        asked += 1
        return asked > stop
      }
      #expect(try first.run().step == stop)
      // The policy that is handed in now must not matter, nor as a reference.
      let resumed = smallPolicy(seed: 7)
      let report = try training("/b", resumed).run()
      #expect(report.resumedFrom == stop && report.step == 6)
      #expect(resumed.state() == whole.state())
      #expect(resumed.state() != smallPolicy().state())
      #expect(try loggedLosses(folder + "/a") == loggedLosses(folder + "/b"))
    }
  }

  @Test func theThreadsChangeNoNumber() throws {
    try withTemporaryFolder { folder in
      let before = WorkPool.threadCount
      defer { WorkPool.threadCount = before }
      let policies = try [1, 3].map { threads in
        WorkPool.threadCount = threads
        let policy = smallPolicy()
        try ReinforcementTraining(
          at: folder + "/\(threads)",
          of: policy,
          on: largeTargets(9, seed: 1),
          options(),
          rewards: WeightedRewards([.init(TokenSumReward())])
        ).run()
        return policy
      }
      #expect(policies[0].state() == policies[1].state())
      #expect(try loggedLosses(folder + "/1") == loggedLosses(folder + "/3"))
    }
  }

  @Test func equalRewardsMoveNothing() throws {
    try withTemporaryFolder { folder in
      let policy = smallPolicy()
      // Untrained responses neither hit nor have the form.
      let report = try ReinforcementTraining(
        at: folder,
        of: policy,
        on: GroundingExamples.synthetic(9, seed: 1),
        options { $0.steps = 2 }
      ).run()
      #expect(report.metrics["gradient norm"] == 0)
      #expect(report.metrics["dead groups"] == 1)
      #expect(policy.state() == smallPolicy().state())
    }
  }

  /// Nobody knows whether a response hits a point without a radius.
  @Test func pointsWithoutARadiusAreNoMisses() throws {
    let boxes = easyPages(16, seed: 9)
    let mixed = GroundingExamples(name: "mixed", count: 32) { index in
      var example = try boxes.example(index % 16)
      if index >= 16, let center = example.target.center {
        example.target = GroundingTarget(point: center)
      }
      return example
    }
    let policy = try warmPolicy()
    let alone = try policy.accuracy(on: boxes, samples: 2)
    let together = try policy.accuracy(on: mixed, samples: 2)
    #expect(together.count == 32 && alone.greedy > 0.3)
    // As misses they would halve both; one answer of 16 may round otherwise in a larger batch.
    expectClose([together.greedy], [alone.greedy], absolute: 0.07)
    expectClose([try #require(together.sampled)], [try #require(alone.sampled)], absolute: 0.07)
    try withTemporaryFolder { folder in
      let report = try ReinforcementTraining(
        at: folder,
        of: policy,
        on: mixed,
        options {
          $0.steps = 1
          $0.promptCount = 32
        }
      ).run()
      let reward = try #require(report.metrics["reward: hit"])
      let accuracy = try #require(report.metrics["sampled accuracy"])
      #expect(accuracy > 0.1)
      expectClose([accuracy], [reward], absolute: 1e-6)
    }
  }

  @Test func aSecondUpdateHasARatio() throws {
    try withTemporaryFolder { folder in
      var ratios: [Double] = []
      try ReinforcementTraining(
        at: folder,
        of: smallPolicy(),
        on: largeTargets(9, seed: 1),
        options {
          $0.updatesPerRollout = 3
          $0.rate.peak = 5e-3
        },
        rewards: WeightedRewards([.init(TokenSumReward())])
      ).run { ratios.append($0.metrics["ratio"] ?? 0) }
      #expect(ratios.count == 6)
      for (step, ratio) in ratios.enumerated() {
        #expect((abs(ratio - 1) < 1e-9) == (step % 3 == 0), "step \(step + 1): \(ratio)")
      }
    }
  }

  @Test func theReferenceHoldsThePolicyBack() throws {
    try withTemporaryFolder { folder in
      func distance(_ beta: Double) throws -> Float {
        let policy = smallPolicy()
        let start = policy.state()
        try ReinforcementTraining(
          at: folder + "/\(beta)",
          of: policy,
          on: largeTargets(9, seed: 1),
          options {
            $0.steps = 30
            $0.rate.peak = 3e-3
            $0.settings.beta = beta
            $0.checkpointInterval = nil
          },
          rewards: WeightedRewards([.init(TokenSumReward())])
        ).run()
        let batch = try syntheticBatch(4, for: policy)
        let other = smallPolicy()
        try other.load(start)
        let tokens = policy.rollOut(
          batch.context(of: policy),
          count: 8,
          generators: (0..<32).map { Philox(seed: 1).fork($0) }
        )
        let mine = tokens.logProbabilities.sum()
        let logits = other.logits(batch.context(of: other), responses: tokens.tokens).value
        return mine - (logits.logProbabilities(of: tokens.tokens) * tokens.mask).sum()
      }
      let (free, held) = (try distance(0), try distance(3))
      #expect(free > 0 && held < free / 2, "\(free) without, \(held) with")
    }
  }

  @Test func dynamicSamplingPrefersGroupsThatTeach() throws {
    try withTemporaryFolder { folder in
      func dead(_ rounds: Int) throws -> Double {
        var shares: [Double] = []
        try ReinforcementTraining(
          at: folder + "/\(rounds)",
          of: try warmPolicy(),
          on: easyPages(64, seed: 5),
          options {
            $0.steps = 5
            $0.promptCount = 8
            $0.maximumResampling = rounds
            $0.rate.peak = 0
          },
          rewards: WeightedRewards([.init(HitReward())])
        ).run { shares.append($0.metrics["dead groups"] ?? 0) }
        return shares.reduce(0, +) / Double(shares.count)
      }
      let (without, with) = (try dead(0), try dead(6))
      #expect(without > 0.1 && with < without / 2, "\(without) without, \(with) with")
    }
  }

  @Test func badOptionsAreRefused() throws {
    let pages = GroundingExamples.synthetic(9, seed: 1)
    let changes: [(inout ReinforcementOptions) -> Void] = [
      { $0.settings.groupSize = 1 }, { $0.temperature = 0 }, { $0.updatesPerRollout = 0 },
      { $0.promptCount = 0 }, { $0.promptCount = 10 }, { $0.maximumResampling = -1 },
    ]
    for change in changes {
      #expect(throws: GroundingTrainingError.self) {
        try ReinforcementTraining(
          at: "/nowhere",
          of: smallPolicy(),
          on: pages,
          options(change)
        ).run()
      }
    }
  }
}
