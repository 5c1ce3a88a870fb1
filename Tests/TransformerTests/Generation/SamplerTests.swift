import Tensor
import Testing
import Transformer

@Suite struct SamplerTests {
  let logits = Tensor<Float>([1, 3, 2, 3, -1])

  @Test func greedyTakesTheFirstOfTheLargest() {
    var sampler = Sampler(.greedy)
    #expect(sampler.next(logits) == 1)
  }

  @Test func topOneIsGreedyAtAnyTemperature() {
    var sampler = Sampler(SamplingOptions(temperature: 5, topK: 1, seed: 1))
    #expect((0..<50).allSatisfy { _ in sampler.next(logits) == 1 })
  }

  @Test func topKKeepsJustK() {
    var sampler = Sampler(SamplingOptions(temperature: 10, topK: 3, seed: 2))
    let drawn = Set((0..<300).map { _ in sampler.next(logits) })
    #expect(drawn == [1, 2, 3])
  }

  @Test func topPKeepsTheSmallestSufficientSet() {
    // Probabilities at temperature 1: ids 1 and 3 hold e³/Σ = 0.39 each: two of them reach 0.7.
    var sampler = Sampler(SamplingOptions(temperature: 1, topP: 0.7, seed: 3))
    let drawn = Set((0..<300).map { _ in sampler.next(logits) })
    #expect(drawn == [1, 3])
    var narrow = Sampler(SamplingOptions(temperature: 1, topP: 0.01, seed: 3))
    #expect((0..<50).allSatisfy { _ in narrow.next(logits) == 1 })
  }

  @Test func minPKeepsAPartOfTheLargest() {
    // e⁻¹ = 0.37 of the largest is what id 2 has, e⁻² = 0.14 id 0, e⁻⁴ = 0.02 id 4.
    func drawn(_ minP: Float) -> Set<Int32> {
      var sampler = Sampler(SamplingOptions(temperature: 1, minP: minP, seed: 4))
      return Set((0..<400).map { _ in sampler.next(logits) })
    }
    #expect(drawn(0.5) == [1, 3])
    #expect(drawn(0.3) == [1, 2, 3])
    #expect(drawn(0.1) == [0, 1, 2, 3])
  }

  @Test func penaltiesMoveLogitsTowardsUnlikely() {
    // 3 / 4 < 1 and −1 · 4 < −1: the two largest fall behind id 2, the prompt's 4 even further.
    var sampler = Sampler(SamplingOptions(repetitionPenalty: 4), prompt: [1, 3, 4])
    #expect((0..<3).map { _ in sampler.next(logits) } == [2, 0, 1])
  }

  @Test func whatWasWrittenLosesLogits() {
    // Ids 1 and 3 have 3, id 2 has 2, the prompt's tokens are not counted. Presence takes 1.5 once.
    var presence = Sampler(SamplingOptions(presencePenalty: 1.5), prompt: [1, 3])
    #expect((0..<4).map { _ in presence.next(logits) } == [1, 3, 2, 1])
    // Frequency takes 1.5 each time: 3, 3, 2 become 1.5, 1.5, 2, then 1.5, 1.5, 0.5, then 0.
    var frequency = Sampler(SamplingOptions(frequencyPenalty: 1.5), prompt: [1, 3])
    #expect((0..<6).map { _ in frequency.next(logits) } == [1, 3, 2, 1, 3, 0])
    // A negative one makes a text repeat itself.
    var repeating = Sampler(SamplingOptions(frequencyPenalty: -1))
    #expect((0..<3).map { _ in repeating.next(logits) } == [1, 1, 1])
  }

  @Test func biasesMoveSingleTokens() {
    var banned = Sampler(SamplingOptions(logitBias: [1: -100, 3: -100, 99: 100]))
    #expect(banned.next(logits) == 2)
    var forced = Sampler(SamplingOptions(temperature: 1, logitBias: [4: 100], seed: 9))
    #expect((0..<50).allSatisfy { _ in forced.next(logits) == 4 })
  }

  @Test func numbersThatAreNoneStillGiveAToken() {
    var sampler = Sampler(SamplingOptions(temperature: 1, topP: 0.5))
    #expect(0..<3 ~= sampler.next(Tensor([.nan, .nan, .nan])))
  }

  @Test func frequenciesFollowTheSoftmax() {
    // 20,000 draws: the standard deviation of a frequency is below 0.0036; the margin is five.
    let values = Tensor<Float>([0, 1, 2])
    var sampler = Sampler(SamplingOptions(temperature: 1, seed: 7))
    var counts = [0, 0, 0]
    for _ in 0..<20_000 { counts[Int(sampler.next(values))] += 1 }
    let wanted = values.softmax().elements
    for (count, probability) in zip(counts, wanted) {
      #expect(abs(Float(count) / 20_000 - probability) < 0.018)
    }
  }

  @Test func theSeedDecidesTheDraws() {
    let options = SamplingOptions(temperature: 1, seed: 11)
    var (first, second) = (Sampler(options), Sampler(options))
    var other = Sampler(SamplingOptions(temperature: 1, seed: 12))
    let draws = (0..<100).map { _ in first.next(logits) }
    #expect(draws == (0..<100).map { _ in second.next(logits) })
    #expect(draws != (0..<100).map { _ in other.next(logits) })
  }
}
