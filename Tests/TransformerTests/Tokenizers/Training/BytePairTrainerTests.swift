import Tensor
import TestSupport
import Testing
import Transformer

@Suite struct BytePairTrainerTests {
  /// a is 64, b 65, c 66, d 67, the space 220: places in the alphabet of GPT-2.
  ///
  /// The pieces of "aab aab ab aab" are aab once, ␣aab twice and ␣ab once. At first
  ///
  ///     ab 1 + 2 + 1 = 4      aa 1 + 2 = 3      ␣a 2 + 1 = 3
  ///
  /// so a·b is 256. Then a·ab has 3 and is 257 (␣·a has 2 left, ␣·ab 1), then ␣·aab has 2 and is 258,
  /// and at last ␣·ab has 1 and is 259.
  @Test(
    arguments: [
      (0, [[64, 65], [64, 256], [220, 257], [220, 256]], .exhausted),
      (2, [[64, 65], [64, 256], [220, 257]], .exhausted),
      (4, [[64, 65]], .exhausted),
      (5, [], .exhausted),
    ] as [(Int, [[Int32]], BytePairVocabulary.Ending)]
  )
  func mergesByFrequency(
    _ minimum: Int,
    _ merges: [[Int32]],
    _ ending: BytePairVocabulary.Ending
  ) throws {
    var options = BytePairOptions(vocabularyCount: 300)
    options.minimumFrequency = minimum
    let vocabulary = try learned(["aab aab ab aab"], options)
    #expect(vocabulary.merges.map { [$0.left, $0.right] } == merges)
    #expect(vocabulary.ending == ending)
    #expect(vocabulary.pieceCount == 3)
    #expect(vocabulary.tokens.count == 256 + merges.count)
  }

  /// "ab cd" has each pair once: ab (64, 65) before cd (66, 67) before ␣c (220, 66), which is gone
  /// then; ␣·cd (220, 257) remains.
  @Test func equalPairsComeByTheirIds() throws {
    let vocabulary = try learned(["ab cd"], BytePairOptions(vocabularyCount: 300))
    #expect(vocabulary.merges.map { [$0.left, $0.right] } == [[64, 65], [66, 67], [220, 257]])
    #expect(vocabulary.tokens[256...] == ["ab", "cd", "Ġcd"])
  }

  /// "aaaaa" is one piece; merged from the left it is aa aa a.
  ///
  /// Then aa·aa and aa·a have 1 each, and (256, 64) is the smaller pair: aa aaa.
  @Test func runsMergeFromTheLeft() throws {
    let vocabulary = try learned(["aaaaa"], BytePairOptions(vocabularyCount: 300))
    #expect(
      vocabulary.merges.map { [$0.left, $0.right] } == [[64, 64], [256, 64], [256, 257]]
    )
  }

  @Test func specialTokensComeFirst() throws {
    var options = BytePairOptions(vocabularyCount: 259, specialTokens: ["<s>", "</s>"])
    (options.bosToken, options.eosToken) = ("<s>", "</s>")
    let tokenizer = try learned(["ab ab ab"], options).tokenizer()
    #expect(tokenizer.specialTokens == ["<s>": 0, "</s>": 1])
    #expect((tokenizer.bosID, tokenizer.eosID) == (0, 1))
    #expect(tokenizer.id(of: "ab") == 258)
    #expect(tokenizer.encode("ab</s>") == [258, 1])
  }

  @Test func aStopLeavesTheMergesSoFar() throws {
    var trainer = try BytePairTrainer(BytePairOptions(vocabularyCount: 300))
    trainer.add("aab aab ab aab")
    var seen: [Int] = []
    let vocabulary = try trainer.train(shouldStop: { seen.count == 2 }) { progress in
      seen.append(progress.completed)
      #expect(progress.total == 44)
    }
    #expect(seen == [1, 2])
    #expect(vocabulary.ending == .stopped)
    #expect(vocabulary.merges.map { [$0.left, $0.right] } == [[64, 65], [64, 256]])
    // The trainer is as it was: it may go on with more texts.
    #expect(try trainer.train().merges.count == 4)
  }

  // MARK: - Properties

  @Test(arguments: PreTokenPattern.allCases)
  func anyTextDecodesToItself(_ pattern: PreTokenPattern) throws {
    var generator = Philox(seed: 11)
    let texts = (0..<20).map { _ in TinyTokenizers.randomText(200, using: &generator) }
    let tokenizer = try learned(
      texts,
      BytePairOptions(vocabularyCount: 700, pattern: pattern)
    ).tokenizer()
    let others = (0..<20).map { _ in TinyTokenizers.randomText(200, using: &generator) }
    for text in texts + others + ["", " ", "\r\n\u{0}", "🏳️‍🌈"] {
      #expect(Array(tokenizer.decode(tokenizer.encode(text)).utf8) == Array(text.utf8))
    }
  }

  @Test(arguments: PreTokenPattern.allCases)
  func aTextMayComeInParts(_ pattern: PreTokenPattern) throws {
    var generator = Philox(seed: 12)
    let options = BytePairOptions(vocabularyCount: 600, pattern: pattern)
    for length in [30, 300, 3000] {
      let text = TinyTokenizers.proseLikeText(length, using: &generator)
      let whole = try learned([text], options)
      for partLength in [1, 7, 100] {
        var trainer = try BytePairTrainer(options)
        for part in text.parts(of: partLength) { trainer.append(part) }
        let parts = try trainer.train()
        #expect(parts.merges == whole.merges && parts.pieceCount == whole.pieceCount)
        #expect(parts.byteCount == whole.byteCount)
      }
    }
  }

  @Test func theOrderOfTextsDoesNotMatter() throws {
    var generator = Philox(seed: 13)
    let texts = (0..<9).map { _ in TinyTokenizers.proseLikeText(400, using: &generator) }
    let options = BytePairOptions(vocabularyCount: 500)
    let first = try learned(texts, options)
    let second = try learned(texts.reversed(), options)
    #expect(first.merges == second.merges && first.tokens == second.tokens)
  }

  @Test func aSmallVocabularyBeginsALargeOne() throws {
    var generator = Philox(seed: 14)
    let texts = [TinyTokenizers.proseLikeText(5000, using: &generator)]
    let large = try learned(texts, BytePairOptions(vocabularyCount: 600))
    for count in [256, 257, 300, 599] {
      let small = try learned(texts, BytePairOptions(vocabularyCount: count))
      #expect(small.merges[...] == large.merges.prefix(count - 256))
      #expect(small.tokens[...] == large.tokens.prefix(count))
      #expect(small.ending == .complete)
    }
  }

  @Test func theNumberOfThreadsDoesNotMatter() async {
    await #expect(processExitsWith: .success) {
      var generator = Philox(seed: 15)
      let text = TinyTokenizers.proseLikeText(1_200_000, using: &generator)
      #expect(text.utf8.count > 1 << 20, "long enough for four parts")
      var results: [BytePairVocabulary] = []
      for threads in [1, 2, 4] {
        WorkPool.threadCount = threads
        var trainer = try BytePairTrainer(BytePairOptions(vocabularyCount: 500, pattern: .llama3))
        trainer.add(text)
        trainer.add("and a short one")
        results.append(try trainer.train())
      }
      #expect(results.allSatisfy { $0.merges == results[0].merges })
      #expect(results.allSatisfy { $0.pieceCount == results[0].pieceCount })
    }
  }

  @Test func longTokensStayReadable() throws {
    let text = String(repeating: String(repeating: "=", count: 5000) + "\n", count: 3)
    let vocabulary = try learned([text], BytePairOptions(vocabularyCount: 400))
    #expect(vocabulary.tokens.map(\.utf8.count).max() == 1024)
    let tokenizer = try vocabulary.tokenizer()
    #expect(tokenizer.decode(tokenizer.encode(text)) == text)
  }

  // MARK: - Errors

  @Test(
    arguments: [
      (BytePairOptions(vocabularyCount: 255), .vocabularyTooSmall(size: 255, least: 256)),
      (
        BytePairOptions(vocabularyCount: 257, specialTokens: ["a", "b"]),
        .vocabularyTooSmall(size: 257, least: 258)
      ),
      (
        BytePairOptions(vocabularyCount: 1 << 30),
        .vocabularyTooLarge(size: 1 << 30, limit: 1 << 24)
      ),
      (
        BytePairOptions(vocabularyCount: 300, specialTokens: ["<s>", "x", "<s>"]),
        .duplicateSpecialToken("<s>")
      ),
      (
        BytePairOptions(vocabularyCount: 300, specialTokens: ["<s>", ""]),
        .emptySpecialToken(index: 1)
      ),
      (
        BytePairOptions(vocabularyCount: 300) { $0.eosToken = "</s>" },
        .unknownToken(role: "eos", token: "</s>", specialTokens: [])
      ),
      (
        BytePairOptions(vocabularyCount: 300) { $0.minimumFrequency = -1 },
        .invalidOption(name: "the minimum frequency", value: -1, least: 0)
      ),
      (
        BytePairOptions(vocabularyCount: 300) { $0.maximumTokenLength = 0 },
        .invalidOption(name: "the maximum token length", value: 0, least: 1)
      ),
    ] as [(BytePairOptions, BytePairTrainingError)]
  )
  func wrongSettingsAreRefused(_ options: BytePairOptions, _ expected: BytePairTrainingError) {
    let error = #expect(throws: BytePairTrainingError.self) { try BytePairTrainer(options) }
    #expect(error == expected)
    #expect(error?.description.hasPrefix("tokenizer training: ") == true)
  }

  @Test func withoutTextThereIsNothingToLearn() throws {
    var trainer = try BytePairTrainer(BytePairOptions(vocabularyCount: 300))
    #expect(throws: BytePairTrainingError.noText) { try trainer.train() }
    trainer.add("")
    #expect(throws: BytePairTrainingError.noText) { try trainer.train() }
  }

  private func learned(_ texts: [String], _ options: BytePairOptions) throws -> BytePairVocabulary {
    var trainer = try BytePairTrainer(options)
    for text in texts { trainer.add(text) }
    return try trainer.train()
  }
}

extension BytePairOptions {
  /// Settings that `change` has changed.
  fileprivate init(vocabularyCount: Int, _ change: (inout BytePairOptions) -> Void) {
    self.init(vocabularyCount: vocabularyCount)
    change(&self)
  }
}
