import Autograd
import Foundation
import Tensor
import Testing

@Suite struct LearningRateScheduleTests {
  @Test func theRateRisesFallsAndStays() {
    // s/2, then from 1 to 0.2 in four steps.
    let schedule = LearningRateSchedule.linear(from: 1, to: 0.2, steps: 6, warmUpSteps: 2)
    #expect((0...8).map { schedule($0) } == [0, 0.5, 1, 0.8, 0.6, 0.4, 0.2, 0.2, 0.2])
    let wave = LearningRateSchedule.cosine(from: 1, to: 0.5, steps: 4)
    #expect(wave(0) == 1 && wave(2) == 0.75 && wave(4) == 0.5 && wave(1000) == 0.5)
  }

  @Test func aWarmUpMayTakeAllSteps() {
    for schedule in [
      LearningRateSchedule.linear(from: 1, steps: 3, warmUpSteps: 3),
      .cosine(from: 1, steps: 3, warmUpSteps: 3), .constant(1, warmUpSteps: 3),
    ] {
      #expect(schedule(0) == 0 && schedule(3) == 1)
    }
    #expect(LearningRateSchedule.linear(from: 1, steps: 0)(0) == 1)
  }

  @Test func aScheduleIsAValue() throws {
    let schedule = LearningRateSchedule.cosine(from: 1e-3, to: 1e-5, steps: 90, warmUpSteps: 9)
    let copy = try JSONDecoder().decode(
      LearningRateSchedule.self,
      from: try JSONEncoder().encode(schedule)
    )
    #expect(copy == schedule && copy(50) == schedule(50))
  }

  @Test func nonsenseIsRejected() async {
    await #expect(processExitsWith: .failure) {
      _ = LearningRateSchedule.linear(from: 1, to: 2, steps: 3)
    }
    await #expect(processExitsWith: .failure) {
      _ = LearningRateSchedule.cosine(from: 1, steps: 3, warmUpSteps: 4)
    }
    await #expect(processExitsWith: .failure) { _ = LearningRateSchedule.constant(1)(-1) }
  }
}
