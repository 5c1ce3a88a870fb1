/// A text that a model has written.
public struct GeneratedText: Codable, Hashable, Sendable {
  /// What it wrote, up to a stop text.
  public var text = ""
  /// The tokens that it drew, those of a stop text included.
  public var tokens: [Int32] = []
  /// Why it ended; nil while it goes on, and for a text that was broken off.
  public var finish: GenerationFinish?
}

/// The texts that a model writes after several prompts, piece by piece.
///
///     var batch = TextBatch(model, tokenizer: tokenizer, prompts: prompts, options: options)
///     while let pieces = batch.next() { … }  // pieces[i]: what text i got, often nothing
///     print(batch.texts[0].text)
///
/// A piece is text that is certain: never half a character, and nothing that belongs to a stop text.
public struct TextBatch: Sequence, IteratorProtocol {
  /// The texts as far as they are written.
  public private(set) var texts: [GeneratedText]
  /// Runs each pass of the model, as ``TokenBatch/aroundPass`` does.
  public var aroundPass: (_ texts: [Int], _ read: () -> Void) -> Void {
    get { tokens.aroundPass }
    set { tokens.aroundPass = newValue }
  }
  private var tokens: TokenBatch
  private var pieces: [TextPieces]

  /// A batch.
  ///
  /// - Parameters:
  ///   - model: what writes.
  ///   - tokenizer: turns its tokens into text.
  ///   - prompts: at least one token each.
  ///   - caches: as `TokenBatch` takes them.
  ///   - options: how much is written, and how.
  ///   - stopTexts: what ends a text, and is not part of it.
  ///   - firstStream: the random stream of the first text.
  public init(
    _ model: DecoderModel,
    tokenizer: Tokenizer,
    prompts: [[Int32]],
    caches: [KeyValueCache]? = nil,
    options: GenerationOptions,
    stopTexts: [String] = [],
    firstStream: Int = 0
  ) {
    tokens = TokenBatch(
      model,
      prompts: prompts,
      caches: caches,
      options: options,
      firstStream: firstStream
    )
    texts = prompts.map { _ in GeneratedText() }
    pieces = prompts.map { _ in TextPieces(tokenizer, stopTexts: stopTexts) }
  }

  /// The next piece of each text, or nil when all have ended.
  public mutating func next() -> [String]? {
    let drawn = tokens.next()
    var found = texts.map { _ in "" }
    for index in texts.indices where texts[index].finish == nil {
      if let token = drawn?[index] {
        texts[index].tokens.append(token)
        found[index] = pieces[index].append(token)
        if pieces[index].isStopped { tokens.end(index, .stopText) }
      }
      guard let finish = tokens.finishes[index] else { continue }
      if finish != .stopText { found[index] += pieces[index].finish() }
      texts[index].finish = pieces[index].isStopped ? .stopText : finish
    }
    for index in texts.indices { texts[index].text += found[index] }
    return drawn == nil && found.allSatisfy(\.isEmpty) ? nil : found
  }
}
