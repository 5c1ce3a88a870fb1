import Tensor
import TestSupport
import Testing
import Transformer

@Suite struct GenerationTests {
  let prompts: [[Int32]] = [[3, 17, 60, 0, 5], [9], [11, 30, 1, 42, 42, 7, 8, 2, 50]]

  func model() throws -> DecoderModel {
    try DecoderModel(DecoderModelTests.configuration, weights: RandomWeights())
  }

  /// All tokens of each text of a batch.
  func collect(_ batch: TokenBatch) -> (texts: [[Int32]], finishes: [GenerationFinish?]) {
    var batch = batch
    var texts: [[Int32]] = batch.finishes.map { _ in [] }
    while let tokens = batch.next() {
      for (index, token) in tokens.enumerated() { if let token { texts[index].append(token) } }
    }
    return (texts, batch.finishes)
  }

  @Test func aBatchWritesWhatEachPromptGetsAlone() throws {
    let model = try model()
    let options = GenerationOptions(maximumTokens: 12)
    let alone = prompts.map { Array(model.generate(after: $0, options: options)) }
    let (texts, finishes) = collect(model.generate(after: prompts, options: options))
    #expect(texts == alone)
    #expect(finishes == [.length, .length, .length])
  }

  @Test func textsThatEndLeaveTheOthersAlone() throws {
    let model = try model()
    let free = prompts.map {
      Array(model.generate(after: $0, options: GenerationOptions(maximumTokens: 12)))
    }
    let stop = free[0][3]
    let options = GenerationOptions(maximumTokens: 12, stopTokens: [stop])
    let (texts, finishes) = collect(model.generate(after: prompts, options: options))
    for index in prompts.indices {
      #expect(texts[index] == Array(free[index].prefix { $0 != stop }))
      #expect(finishes[index] == (free[index].contains(stop) ? .stop : .length))
    }
  }

  @Test func eachTextDrawsFromItsOwnStream() throws {
    let model = try model()
    let options = GenerationOptions(
      maximumTokens: 20,
      sampling: SamplingOptions(temperature: 2, seed: 5)
    )
    let (texts, _) = collect(model.generate(after: [[9], [9]], options: options))
    #expect(texts[0] != texts[1])
    #expect(texts[0] == Array(model.generate(after: [9], options: options)))
  }

  @Test func longPromptsAreReadInParts() throws {
    // 1,500 tokens three times exceed one pass; the last logits must not notice.
    var shape = DecoderModelTests.configuration
    shape.contextLength = 4096
    let model = try DecoderModel(shape, weights: RandomWeights())
    let long = (0..<3).map { offset in (0..<1500).map { Int32(($0 * 7 + offset) % 61) } }
    let options = GenerationOptions(maximumTokens: 1)
    let (texts, _) = collect(model.generate(after: long, options: options))
    let wanted = long.map { prompt in
      model.nextTokenLogits(prompt, cache: model.makeCache()).argMax().item
    }
    #expect(texts == wanted.map { [$0] })
  }

  @Test func aCachedBeginningIsNotReadAgain() throws {
    let model = try model()
    let prompt = prompts[2]
    let options = GenerationOptions(maximumTokens: 6)
    let cache = model.makeCache()
    _ = model.hiddenStates(Array(prompt[..<5]), cache: cache)
    let batch = TokenBatch(model, prompts: [prompt], caches: [cache], options: options)
    #expect(collect(batch).texts[0] == Array(model.generate(after: prompt, options: options)))
    #expect(cache.count == prompt.count + 5, "the last token was not read")
  }

  @Test func repetitionsBecomeRare() throws {
    let model = try model()
    func text(_ penalty: Float) -> [Int32] {
      let sampling = SamplingOptions(repetitionPenalty: penalty)
      let options = GenerationOptions(maximumTokens: 40, sampling: sampling)
      return Array(model.generate(after: [9], options: options))
    }
    // At 1e9 nothing is left of the logit of a token that is there: it wins against tokens below 0
    // alone.
    #expect(Set(text(1e9)).count > Set(text(1)).count + 10)
  }

  @Test func nothingBehindTheLastCachedTokenIsAnError() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let model = try DecoderModel(DecoderModelTests.configuration, weights: RandomWeights())
      let cache = model.makeCache()
      _ = model.hiddenStates([1, 2], cache: cache)
      _ = TokenBatch(model, prompts: [[1, 2]], caches: [cache], options: GenerationOptions())
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("a prompt of 2 tokens leaves nothing to read after 2 cached ones"))
  }
}
