import Tensor
import TestSupport
import Testing
import Transformer

/// Texts that come and go, beside what each of them is alone.
@Suite struct ContinuousBatchTests {
  private let models = TextBatchTests()

  /// A text as a reader of events puts it together.
  private struct Written: Equatable {
    var text = ""
    var tokens: [Int32] = []
    var finish: GenerationFinish?

    mutating func append(_ event: ContinuousBatch.Event) {
      text += event.piece
      if let token = event.token { tokens.append(token) }
      finish = event.finish
    }
  }

  /// What a text is when nothing else is written.
  private func alone(
    _ prompt: [Int32],
    _ options: GenerationOptions,
    _ stops: [String] = [],
    stream: Int = 0,
    model: DecoderModel,
    tokenizer: Tokenizer
  ) -> Written {
    var batch = TextBatch(
      model,
      tokenizer: tokenizer,
      prompts: [prompt],
      options: options,
      stopTexts: stops,
      firstStream: stream
    )
    while batch.next() != nil {}
    let text = batch.texts[0]
    return Written(text: text.text, tokens: text.tokens, finish: text.finish)
  }

  /// Writes until nothing is left.
  private func finish(_ batch: inout ContinuousBatch, _ texts: inout [Int: Written]) {
    while !batch.isEmpty {
      for event in batch.step() { texts[event.id, default: Written()].append(event) }
    }
  }

  @Test(arguments: [1, 5, 256])
  func textsThatComeAndGoAreWhatTheyAreAlone(passLength: Int) throws {
    try models.withModel(context: 96) { pretrained, model in
      let tokenizer = try pretrained.requireTokenizer()
      var random = Philox(seed: 11)
      var batch = ContinuousBatch(
        model,
        tokenizer: tokenizer,
        capacity: 3,
        passLength: passLength
      )
      var expected: [Int: Written] = [:]
      var found: [Int: Written] = [:]
      var removed: Set<Int> = []
      // Prompts that share beginnings, at moments of their own, some of them broken off.
      let start = (0..<60).map { _ in Int32(random.next() % 256) }
      var left = 24
      while left > 0 || !batch.isEmpty {
        while left > 0, batch.hasRoom, random.next() % 3 > 0 {
          left -= 1
          let shared = start.prefix(Int(random.next() % 60))
          let own = (0...Int(random.next() % 20)).map { _ in Int32(random.next() % 256) }
          let options = GenerationOptions(
            maximumTokens: 1 + Int(random.next() % 30),
            sampling: SamplingOptions(
              temperature: Float(random.next() % 2),
              topK: 50,
              repetitionPenalty: left % 4 == 0 ? 1.3 : 1,
              seed: random.next()
            ),
            stopTokens: [Int32(random.next() % 256)]
          )
          let stops = left % 3 == 0 ? ["e", "th"] : []
          let prompt = Array(shared) + own
          let id = batch.add(prompt, options: options, stopTexts: stops, stream: left)
          expected[id] = alone(
            prompt,
            options,
            stops,
            stream: left,
            model: model,
            tokenizer: tokenizer
          )
        }
        for event in batch.step() { found[event.id, default: Written()].append(event) }
        if random.next() % 16 == 0, let id = found.keys.max(), found[id]?.finish == nil {
          batch.remove(id)
          removed.insert(id)
        }
      }
      #expect(expected.count == 24 && removed.count < 24)
      for (id, text) in expected {
        if removed.contains(id) {
          #expect(text.tokens.starts(with: found[id]?.tokens ?? []))
        } else {
          #expect(found[id] == text)
        }
      }
    }
  }

  @Test func beginningsThatWereReadAreNotReadAgain() throws {
    try models.withModel { pretrained, model in
      let tokenizer = try pretrained.requireTokenizer()
      var batch = ContinuousBatch(model, tokenizer: tokenizer, capacity: 2)
      let options = GenerationOptions(maximumTokens: 5)
      let prompt = tokenizer.encode("A conversation that goes on. And on.")
      let first = batch.add(prompt, options: options)
      #expect(batch.reusedCount(first) == 0)
      var texts: [Int: Written] = [:]
      finish(&batch, &texts)
      let written = try #require(texts[first])
      // The last token drawn was never read.
      let next = prompt + written.tokens + tokenizer.encode("More!")
      let second = batch.add(next, options: options)
      #expect(batch.reusedCount(second) == prompt.count + 4)
      // Beside it one that begins in the same way: it takes over from the text that is being written.
      let third = batch.add(next, options: options)
      #expect(batch.reusedCount(third) == prompt.count + 4)
      finish(&batch, &texts)
      let expected = alone(next, options, model: model, tokenizer: tokenizer)
      #expect(texts[second] == expected && texts[third] == expected)
      // The same again: all but the last token is known.
      let fourth = batch.add(next, options: options)
      #expect(batch.reusedCount(fourth) == next.count - 1)
      finish(&batch, &texts)
      #expect(texts[fourth] == expected)
    }
  }

  @Test(arguments: [KeyValueCache.Precision.float, .eightBits])
  func cachesOfBothKindsAreTakenOver(precision: KeyValueCache.Precision) throws {
    try models.withModel { pretrained, model in
      model.cachePrecision = precision
      let tokenizer = try pretrained.requireTokenizer()
      var batch = ContinuousBatch(model, tokenizer: tokenizer, capacity: 2)
      let options = GenerationOptions(maximumTokens: 8)
      let prompt = tokenizer.encode(String(repeating: "Round and round. ", count: 12))
      var texts: [Int: Written] = [:]
      let first = batch.add(prompt, options: options)
      for event in batch.step() { texts[event.id, default: Written()].append(event) }
      let second = batch.add(prompt, options: options)
      #expect(batch.reusedCount(second) == prompt.count - 1)
      finish(&batch, &texts)
      #expect(texts[first]?.finish == .length)
      #expect(texts[first] == texts[second])
    }
  }

  @Test(arguments: [3, 256])
  func scoresAreThoseOfTheLogits(passLength: Int) throws {
    try models.withModel { pretrained, model in
      let tokenizer = try pretrained.requireTokenizer()
      var batch = ContinuousBatch(
        model,
        tokenizer: tokenizer,
        capacity: 2,
        passLength: passLength
      )
      let prompt = tokenizer.encode("Round and round it goes.")
      // What is known of the prompt already is scored all the same.
      _ = batch.add(prompt, options: GenerationOptions(maximumTokens: 2))
      while !batch.isEmpty { _ = batch.step() }
      let sampling = SamplingOptions(temperature: 2, topK: 5, repetitionPenalty: 1.2, seed: 3)
      let scored = batch.add(
        prompt,
        options: GenerationOptions(
          maximumTokens: 6,
          sampling: sampling,
          scoreCount: 3,
          scoresPrompt: true
        )
      )
      let other = batch.add(prompt, options: GenerationOptions(maximumTokens: 6))
      var (scores, promptScores): ([TokenScore], [TokenScore]) = ([], [])
      var others: [ContinuousBatch.Event] = []
      while !batch.isEmpty {
        for event in batch.step() {
          if event.id == scored {
            promptScores += event.promptScores
            scores += event.score.map { [$0] } ?? []
            #expect(event.score?.token.id == event.token)
          } else {
            others.append(event)
          }
        }
      }
      #expect(other != scored && others.allSatisfy { $0.score == nil && $0.promptScores.isEmpty })
      #expect(promptScores.map(\.token.id) == Array(prompt.dropFirst()) && scores.count == 6)
      // All logits at once, from a pass of their own.
      let text = prompt + scores.map(\.token.id)
      let states = model.hiddenStates([(tokens: text, cache: model.makeCache())])
      let expected = model.logits(states).logSoftmax()
      for (row, score) in (promptScores + scores).enumerated() {
        let values = expected[row].elements
        let order = values.indices.sorted { (values[$1], $0) < (values[$0], $1) }
        #expect(score.likeliest.count == 3)
        for candidate in score.likeliest + [score.token] {
          #expect(abs(candidate.logProbability - values[Int(candidate.id)]) < 1e-4)
        }
        for (candidate, best) in zip(score.likeliest, order) {
          #expect(abs(candidate.logProbability - values[best]) < 1e-4)
        }
      }
    }
  }

  @Test(arguments: [3, 256])
  func promptsAreScoredWithoutATokenBehindThem(passLength: Int) throws {
    try models.withModel { pretrained, model in
      let tokenizer = try pretrained.requireTokenizer()
      let prompt = tokenizer.encode("Round and round it goes.")
      func scores(_ count: Int, of prompt: [Int32]) -> (events: Int, scores: [TokenScore]) {
        var batch = ContinuousBatch(
          model,
          tokenizer: tokenizer,
          capacity: 1,
          passLength: passLength
        )
        let options = GenerationOptions(maximumTokens: count, scoreCount: 2, scoresPrompt: true)
        _ = batch.add(prompt, options: options)
        var events: [ContinuousBatch.Event] = []
        while !batch.isEmpty { events += batch.step() }
        #expect(events.last?.finish == .length)
        #expect(events.compactMap(\.token).count == count)
        return (events.count, events.flatMap(\.promptScores))
      }
      let (events, alone) = scores(0, of: prompt)
      #expect(events == 1 && alone == scores(1, of: prompt).scores)
      #expect(alone.map(\.token.id) == Array(prompt.dropFirst()))
      #expect(scores(0, of: [7]).scores.isEmpty)
    }
  }

  @Test func aLongPromptDoesNotHoldUpOthers() throws {
    try models.withModel { pretrained, model in
      let tokenizer = try pretrained.requireTokenizer()
      var batch = ContinuousBatch(model, tokenizer: tokenizer, capacity: 2, passLength: 16)
      let options = GenerationOptions(maximumTokens: 40)
      let short = batch.add(tokenizer.encode("Hi"), options: options)
      #expect(batch.step().map(\.id) == [short])
      let long = batch.add((0..<150).map { Int32($0) }, options: options)
      // 15 rows of each pass are left for the prompt: ten passes.
      for _ in 0..<9 { #expect(batch.step().map(\.id) == [short]) }
      #expect(batch.step().map(\.id) == [short, long])
    }
  }

  @Test func theContextEndsTexts() throws {
    try models.withModel { pretrained, model in
      let tokenizer = try pretrained.requireTokenizer()
      var batch = ContinuousBatch(model, tokenizer: tokenizer, capacity: 1, contextLength: 10)
      let id = batch.add([1, 2, 3], options: GenerationOptions(maximumTokens: 100))
      var texts: [Int: Written] = [:]
      finish(&batch, &texts)
      #expect(texts[id]?.tokens.count == 7 && texts[id]?.finish == .context)
    }
  }

  @Test func promptsThatDoNotFitStop() async throws {
    let result = try #require(
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        try TextBatchTests().withModel { pretrained, model in
          let tokenizer = try pretrained.requireTokenizer()
          var batch = ContinuousBatch(model, tokenizer: tokenizer, capacity: 1, contextLength: 4)
          _ = batch.add([1, 2, 3, 4], options: GenerationOptions())
        }
      }
    )
    let text = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(text.contains("a prompt of 4 tokens, 1 to 3 have room"))
  }
}
