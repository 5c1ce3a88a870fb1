import Tensor

/// The tokens that a model writes after several prompts, one pass of the model for all of them.
///
///     var batch = model.generate(after: [first, second], options: options)
///     while let tokens = batch.next() { … }  // tokens[i]: what prompt i gets, nil once it has ended
///
/// A text ends at a stop id (which is not part of it), at the token limit, or where it has as many
/// tokens as the model's context, its prompt included; the others go on. Text i draws from random
/// stream i of the seed.
public struct TokenBatch: Sequence, IteratorProtocol {
  private struct Row {
    let cache: KeyValueCache
    var sampler: Sampler
    var pending: ArraySlice<Int32>
    var produced = 0
    var finish: GenerationFinish?
  }

  /// The most rows of one pass: what bounds the memory of long prompts.
  private static let passLength = 2048

  /// Runs each pass of the model.
  ///
  /// It gets the text that each row of the pass belongs to, and must call `read` once. What a text
  /// needs of its own while it is computed goes here: with the scales of several tasks in one model,
  /// `batch.aroundPass = try layers.tasks(ofTexts: ["law", nil])`.
  public var aroundPass: (_ texts: [Int], _ read: () -> Void) -> Void = { $1() }

  private let model: DecoderModel
  private let options: GenerationOptions
  private var rows: [Row]

  /// A batch.
  ///
  /// - Parameters:
  ///   - model: what writes.
  ///   - prompts: at least one token each.
  ///   - caches: for each prompt the keys and values of a beginning of it, which are not computed
  ///     again; nil for none.
  ///   - options: how much is written, and how.
  ///   - firstStream: the random stream of the first text.
  public init(
    _ model: DecoderModel,
    prompts: [[Int32]],
    caches: [KeyValueCache]? = nil,
    options: GenerationOptions,
    firstStream: Int = 0
  ) {
    self.model = model
    self.options = options
    let caches = caches ?? prompts.map { _ in model.makeCache() }
    expect(
      caches.count == prompts.count,
      "generation: \(prompts.count) prompts, \(caches.count) caches"
    )
    rows = zip(prompts, caches).enumerated().map { index, pair in
      let (prompt, cache) = pair
      expect(
        cache.count < prompt.count,
        "generation: a prompt of \(prompt.count) tokens leaves nothing to read after "
          + "\(cache.count) cached ones"
      )
      return Row(
        cache: cache,
        sampler: Sampler(options.sampling, prompt: prompt, stream: firstStream + index),
        pending: prompt[cache.count...]
      )
    }
  }

  /// Why each text ended; nil while it goes on.
  public var finishes: [GenerationFinish?] { rows.map(\.finish) }

  /// The next token of each text, nil for those that have ended; nil at the end of all.
  public mutating func next() -> [Int32?]? {
    for index in rows.indices where rows[index].finish == nil {
      rows[index].finish = limit(rows[index])
    }
    let active = rows.indices.filter { rows[$0].finish == nil }
    guard !active.isEmpty else { return nil }
    readLongPrompts(active)
    let logits = nextTokenLogits(active)
    var tokens: [Int32?] = rows.map { _ in nil }
    for (place, index) in active.enumerated() {
      let token = rows[index].sampler.next(logits[place])
      if options.stopTokens.contains(token) {
        rows[index].finish = .stop
        continue
      }
      rows[index].pending = [token]
      rows[index].produced += 1
      tokens[index] = token
    }
    return tokens
  }

  /// Ends a text that is complete for its reader.
  public mutating func end(_ index: Int, _ finish: GenerationFinish) {
    if rows[index].finish == nil { rows[index].finish = finish }
  }

  private func limit(_ row: Row) -> GenerationFinish? {
    if row.produced >= options.maximumTokens { return .length }
    return row.cache.count + row.pending.count < model.configuration.contextLength ? nil : .context
  }

  /// The logits after all that texts have pending; [texts × V].
  private func nextTokenLogits(_ texts: [Int]) -> Tensor<Float> {
    let sequences = texts.map { (tokens: Array(rows[$0].pending), cache: rows[$0].cache) }
    var (readers, ends): ([Int], [Int32]) = ([], [])
    for (text, sequence) in zip(texts, sequences) {
      readers += sequence.tokens.map { _ in text }
      ends.append(Int32(readers.count - 1))
    }
    var states = Tensor<Float>.zeros([0])
    aroundPass(readers) { states = model.hiddenStates(sequences).rows(ends) }
    aroundPass(texts) { states = model.logits(states) }
    return states
  }

  /// Reads prompts until what is left of them fits into one pass.
  private mutating func readLongPrompts(_ active: [Int]) {
    let share = Swift.max(1, Self.passLength / active.count)
    for index in active {
      while rows[index].pending.count > share {
        let excess = rows[index].pending.count - share
        let part = rows[index].pending.prefix(Swift.min(Self.passLength, excess))
        aroundPass(part.map { _ in index }) {
          _ = model.hiddenStates(Array(part), cache: rows[index].cache)
        }
        rows[index].pending.removeFirst(part.count)
      }
    }
  }
}

extension DecoderModel {
  /// The tokens that follow each of `prompts` (at least one token each), in one batch.
  public func generate(after prompts: [[Int32]], options: GenerationOptions) -> TokenBatch {
    TokenBatch(self, prompts: prompts, options: options)
  }
}
