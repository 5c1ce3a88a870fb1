import Autograd
@testable import GUIGrounding
import Tensor
import TestSupport
import Testing

@Suite struct SupervisedTrainingTests {
  private func options(
    _ change: (inout SupervisedTrainingOptions) -> Void = { _ in }
  ) -> SupervisedTrainingOptions {
    var options = SupervisedTrainingOptions(steps: 6, seed: 2)
    options.batchSize = 4
    options.checkpointInterval = 2
    change(&options)
    return options
  }

  @Test func aRunThatIsKilledGoesOnWithTheSameNumbers() throws {
    try withTemporaryFolder { folder in
      let pages = GroundingExamples.synthetic(12, seed: 1)
      let whole = smallPolicy()
      try SupervisedTraining(at: folder + "/a", of: whole, on: pages, options()).run()
      // Killed in step 4, after the checkpoint of step 2; then stopped after step 5.
      var steps = 0
      let failing = GroundingExamples(name: "failing", count: 12) { index in
        steps += 1
        if steps > 3 * 4 + 1 { throw Killed() }
        return try pages.example(index)
      }
      #expect(throws: TrainingError.self) {
        try SupervisedTraining(at: folder + "/b", of: smallPolicy(), on: failing, options()).run()
      }
      var stopping = SupervisedTraining(
        at: folder + "/b",
        of: smallPolicy(seed: 9),
        on: pages,
        options()
      )
      var asked = 0
      stopping.shouldStop = {
        asked += 1
        return asked > 3
      }
      let stopped = try stopping.run()
      #expect(stopped.resumedFrom == 2 && stopped.step == 5 && stopped.ending == .stopped)
      let resumed = smallPolicy(seed: 10)
      let last = try SupervisedTraining(at: folder + "/b", of: resumed, on: pages, options()).run()
      #expect(last.resumedFrom == 5 && last.ending == .finished)
      #expect(resumed.state() == whole.state())
      #expect(try loggedLosses(folder + "/a") == loggedLosses(folder + "/b"))
    }
  }

  @Test func otherOptionsAreNoContinuation() throws {
    try withTemporaryFolder { folder in
      let pages = GroundingExamples.synthetic(12, seed: 1)
      try SupervisedTraining(at: folder, of: smallPolicy(), on: pages, options()).run()
      let other = options { $0.rate.peak = 1 }
      #expect(throws: TrainingError.self) {
        try SupervisedTraining(at: folder, of: smallPolicy(), on: pages, other).run()
      }
    }
  }

  @Test func theThreadsChangeNoNumber() throws {
    try withTemporaryFolder { folder in
      let before = WorkPool.threadCount
      defer { WorkPool.threadCount = before }
      let pages = GroundingExamples.synthetic(12, seed: 1)
      let states = try [1, 3].map { threads in
        WorkPool.threadCount = threads
        let policy = smallPolicy()
        try SupervisedTraining(at: folder + "/\(threads)", of: policy, on: pages, options()).run()
        return policy.state()
      }
      #expect(states[0] == states[1])
    }
  }

  @Test func badOptionsAreRefused() throws {
    let pages = GroundingExamples.synthetic(3, seed: 1)
    #expect(throws: GroundingTrainingError.fewExamples(count: 3, needed: 4)) {
      try SupervisedTraining(at: "/nowhere", of: smallPolicy(), on: pages, options()).run()
    }
    #expect(throws: GroundingTrainingError.self) {
      try SupervisedTraining(
        at: "/nowhere",
        of: smallPolicy(),
        on: pages,
        options { $0.batchSize = 0 }
      ).run()
    }
    #expect(throws: GroundingTrainingError.self) {
      try SupervisedTraining(
        at: "/nowhere",
        of: smallPolicy(),
        on: pages,
        options { ($0.batchSize, $0.rate.peak) = (2, .nan) }
      ).run()
    }
  }

  @Test func theRateRisesAndFalls() {
    let rate = PolicyRate(peak: 1, warmUpSteps: 10, finalShare: 0.25)
    // s/10 · (1 − (s − 1)/100) at first, at last the floor.
    #expect(abs(rate(step: 5, of: 100) - 0.5 * 0.96) < 1e-6)
    #expect(abs(rate(step: 11, of: 100) - 0.9) < 1e-6)
    #expect(rate(step: 100, of: 100) == 0.25)
  }
}
