import Tensor

/// Learns a byte-level BPE vocabulary from texts.
///
///     var options = BytePairOptions(vocabularyCount: 4096, specialTokens: ["<|endoftext|>"])
///     options.eosToken = "<|endoftext|>"
///     var trainer = try BytePairTrainer(options)
///     for text in texts { trainer.add(text) }
///     let vocabulary = try trainer.train()
///     let tokenizer = try vocabulary.tokenizer()
///
/// Texts are cut into pieces as the tokenizer will cut them, and only the distinct pieces and how
/// often they occur are kept: memory does not grow with the length of the texts. Special tokens that
/// a text spells out count as plain text. Then the most frequent pair of neighbouring tokens becomes
/// a token, over and over; of equally frequent pairs the one with the smaller ids.
///
/// Merges and ids are those of the Hugging Face tokenizers library (`BpeTrainer` with a `ByteLevel`
/// pre-tokenizer and its whole alphabet), whatever the number of threads and however the texts are
/// split into parts.
///
/// - Source: Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword
///   Units", 2016; Radford et al., "Language Models are Unsupervised Multitask Learners", 2019, for
///   bytes as the first symbols.
public struct BytePairTrainer: Sendable {
  /// How the vocabulary is learned.
  public let options: BytePairOptions
  /// The bytes of text that came in.
  public private(set) var byteCount = 0
  private let preTokenizer: PreTokenizer
  private let seed = UInt64.random(in: .min ... .max)
  private var counters: [PieceCounter] = []
  private var cutter = TextCutter()

  /// A trainer that has seen no text.
  ///
  /// - Throws: what is wrong with the settings.
  public init(_ options: BytePairOptions) throws(BytePairTrainingError) {
    try options.check()
    self.options = options
    preTokenizer = options.pattern.preTokenizer
  }

  /// Counts the pieces of a text.
  ///
  /// Long texts are counted on several threads, `WorkPool.threadCount` at most.
  public mutating func add(_ text: String) {
    endText()
    var text = text
    byteCount += text.utf8.count
    text.withUTF8 { count($0) }
  }

  /// Counts the pieces of a part of a text; what the next part may change is held back.
  public mutating func append(_ part: String) {
    var part = part
    byteCount += part.utf8.count
    var cutter = TextCutter()
    swap(&cutter, &self.cutter)
    part.withUTF8 { bytes in cutter.append(bytes) { count($0) } }
    swap(&cutter, &self.cutter)
  }

  /// Ends the text whose parts were appended.
  public mutating func endText() {
    var cutter = TextCutter()
    swap(&cutter, &self.cutter)
    cutter.finish { count($0) }
  }

  /// Learns the vocabulary from the texts so far.
  ///
  /// - Parameters:
  ///   - shouldStop: asked before each merge; true ends the training with the merges so far.
  ///   - progress: called after each merge.
  /// - Returns: the vocabulary.
  /// - Throws: `BytePairTrainingError.noText`.
  public func train(
    shouldStop: () -> Bool = { false },
    progress: (BytePairProgress) -> Void = { _ in }
  ) throws(BytePairTrainingError) -> BytePairVocabulary {
    guard byteCount > 0 else { throw .noText }
    let counter = total()
    var learner = MergeLearner(counter, options)
    let first = learner.vocabulary.count
    var ending = BytePairVocabulary.Ending.complete
    while learner.vocabulary.count < options.vocabularyCount {
      if shouldStop() {
        ending = .stopped
        break
      }
      guard learner.step() else {
        ending = .exhausted
        break
      }
      progress(
        BytePairProgress(
          completed: learner.vocabulary.count - first,
          total: options.vocabularyCount - first
        )
      )
    }
    return BytePairVocabulary(
      learner.vocabulary,
      options,
      ending: ending,
      byteCount: byteCount,
      pieceCount: counter.pieces.count
    )
  }

  // MARK: - Counting

  /// The least that is worth a thread.
  private static let partSize = 1 << 18

  private mutating func count(_ text: UTF8Text) {
    let partCount = max(1, min(WorkPool.threadCount, text.count / Self.partSize))
    while counters.count < partCount { counters.append(PieceCounter(seed: seed)) }
    var parts: [UTF8Text] = []
    let size = (text.count + partCount - 1) / partCount
    text.forEachPart(byteCount: size) { parts.append($0) }
    let preTokenizer = preTokenizer
    counters.withUnsafeMutableBufferPointer { counters in
      let target = counters
      WorkPool.forEach(parts: parts.count) { part in
        target[part].count(parts[part], by: preTokenizer)
      }
    }
  }

  /// The counts of all threads, the pieces of the held-back part of a text included.
  private func total() -> PieceCounter {
    var sum = counters.first ?? PieceCounter(seed: seed)
    for counter in counters.dropFirst() { sum.add(counter) }
    var rest = cutter
    rest.finish { sum.count($0, by: preTokenizer) }
    return sum
  }
}

/// How far the training of a vocabulary has come.
public struct BytePairProgress: Codable, Hashable, Sendable {
  /// The merged tokens that there are.
  public let completed: Int
  /// The merged tokens that were asked for.
  public let total: Int
}
