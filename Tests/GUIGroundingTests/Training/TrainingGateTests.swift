import Autograd
@testable import GUIGrounding
import Tensor
import TestSupport
import Testing

/// Whether the stages teach what they should, at a size that takes seconds.
@Suite struct TrainingGateTests {
  @Test func everyStageTeachesWhatItShould() throws {
    try withTemporaryFolder { folder in
      let test = easyPages(250, seed: 2)
      let policy = try warmPolicy()
      // A click anywhere hits an element of 32 of 192 pixels with a probability of 0.03.
      let cold = try coldPolicy().accuracy(on: test[0..<50])
      #expect(cold.greedy < 0.1 && cold.format == 0)
      let warm = try policy.accuracy(on: test, samples: 4)
      #expect(warm.greedy > 0.6, "after the warm start \(warm)")
      #expect(warm.format >= 0.98)
      var options = ReinforcementOptions(steps: 50, seed: 1)
      options.promptCount = 8
      options.rate.peak = 1e-3
      let pages = easyPages(2000, seed: 3)
      try ReinforcementTraining(at: folder + "/rl", of: policy, on: pages, options).run()
      let rewarded = try policy.accuracy(on: test, samples: 4)
      // 1000 samples: a deviation of 0.015 each.
      let (before, after) = (try #require(warm.sampled), try #require(rewarded.sampled))
      #expect(after > before + 0.06, "by rewards from \(before) to \(after)")
      #expect(rewarded.format >= 0.98)
      let crop = ConsistencyCrop()
      let local = try policy.accuracy(on: test, crop: crop)
      var agreement = ConsistencyOptions(steps: 40, seed: 1)
      agreement.promptCount = 8
      agreement.rate.peak = 1e-3
      try ConsistencyTraining(at: folder + "/c", of: policy, on: pages, agreement).run()
      let consistent = try policy.accuracy(on: test, crop: crop)
      #expect(
        consistent.greedy > local.greedy + 0.03,
        "local views from \(local.greedy) to \(consistent.greedy)"
      )
    }
  }
}
