import Autograd
import Testing

@Suite struct TrainingProgressTests {
  @Test func aSteadyRunHasItsRateAndItsRest() throws {
    var time = 50.0
    var meter = ProgressMeter(total: 100, step: 20) { time }
    #expect(meter.advance(to: 20).rate == nil)
    var progress = TrainingProgress(step: 0, total: 0)
    for step in 21...60 {
      time += 0.25
      progress = meter.advance(to: step, epoch: 3, metrics: step == 30 ? ["loss": 1.5] : [:])
    }
    #expect(abs(try #require(progress.rate) - 4) < 1e-9)
    #expect(abs(try #require(progress.remaining) - 10) < 1e-9)
    #expect(progress.elapsed == 10)
    #expect(progress.fraction == 0.6)
    #expect(progress.epoch == 3)
    #expect(progress.metrics == ["loss": 1.5])
  }

  @Test func theRateFollowsTheLastHalfMinute() throws {
    var time = 0.0
    var meter = ProgressMeter(total: 10_000) { time }
    for step in 1...300 {
      time += 1
      _ = meter.advance(to: step)
    }
    var progress = meter.advance(to: 300)
    for step in 301...1_300 {
      time += 0.1
      progress = meter.advance(to: step)
    }
    // 100 seconds at the new rate: the old ones weigh exp(−100/30) = 3.6 %.
    #expect(abs(try #require(progress.rate) - (10 - 9 * 0.0357)) < 0.05)
  }

  @Test func nothingIsSaidBeforeThereIsSomethingToSay() {
    let progress = TrainingProgress(step: 0, total: 0)
    #expect(progress.fraction == 0 && progress.rate == nil && progress.remaining == nil)
    #expect(progress.note == "")
  }

  @Test func theNoteHoldsTheMetricsByName() {
    let progress = TrainingProgress(
      step: 1,
      total: 2,
      metrics: ["loss": 2.30651, "accuracy": 0.5, "x": .nan]
    )
    #expect(progress.note == "accuracy 0.5, loss 2.307, x nan")
  }
}
