import Tensor

/// Texts that a model writes side by side, each with options of its own, which come and go between
/// its passes: continuous batching.
///
///     var batch = ContinuousBatch(model, tokenizer: tokenizer, capacity: 8)
///     let id = batch.add(prompt, options: options)
///     while !batch.isEmpty {
///       for event in batch.step() where event.id == id { print(event.piece, terminator: "") }
///     }
///
/// A pass reads one token of every text that is being written, and beside them a part of the prompts
/// that are not yet read, so a long prompt delays nobody by more than a pass. Keys and values of texts
/// that have ended are kept until their place is needed: a prompt that begins like one of them, or
/// like one that is being written, is read from there on.
///
/// - Source: Yu et al. 2022, "Orca: A Distributed Serving System for Transformer-Based Generative
///   Models" (scheduling by iterations); Agrawal et al. 2023, "SARATHI" (prompts in parts beside
///   tokens).
public struct ContinuousBatch {
  /// What a pass has brought to a text.
  public struct Event: Hashable, Sendable {
    /// The text, as `add` has called it.
    public var id: Int
    /// The token that was drawn; nil for a stop token, which belongs to no text, and where none was
    /// wanted.
    public var token: Int32?
    /// Text that is certain now; often empty.
    public var piece: String
    /// Why the text has ended; nil while it goes on.
    public var finish: GenerationFinish?
    /// How likely the token was; nil where the options want no scores.
    public var score: TokenScore?
    /// Those of the prompt's tokens from the second on, with the first event of a text that wants them.
    public var promptScores: [TokenScore] = []
  }

  /// A text that is being read or written.
  private struct Text {
    let id: Int
    /// Which task of the model writes it; nil for the model as it is.
    let task: String?
    let maximumTokens: Int
    let stopTokens: Set<Int32>
    let scoreCount: Int?
    /// Whether the prompt's tokens are scored.
    let scoresPrompt: Bool
    var promptScores: [TokenScore] = []
    var sampler: Sampler
    var pieces: TextPieces
    /// What the model has not read.
    var pending: ArraySlice<Int32>
    var produced = 0
    /// How many tokens of the prompt were read before.
    let reused: Int

    var isWriting: Bool { produced > 0 }
  }

  /// Room for one text, and the keys and values of the last that was there.
  private struct Place {
    let cache: KeyValueCache
    /// The tokens in the cache.
    var tokens: [Int32] = []
    /// The task that has read them: another one computes other keys and values.
    var task: String?
    var text: Text?
    var lastUse = 0

    /// Drops what is in the cache.
    mutating func forget() {
      cache.truncate(to: 0)
      tokens = []
    }

    /// How many tokens of a prompt need not be read: the last one must, for its logits.
    func commonCount(with prompt: [Int32], of task: String?) -> Int {
      guard task == self.task else { return 0 }
      return min(zip(tokens, prompt).prefix { $0 == $1 }.count, prompt.count - 1)
    }
  }

  /// The texts that it has room for.
  public var capacity: Int { places.count }
  /// The most tokens of a text, its prompt included.
  public let contextLength: Int
  /// The most tokens of a pass, unless more texts are being written.
  public let passLength: Int
  /// Runs each pass of the model.
  ///
  /// It gets the task of each row of the pass, as `add` was told, and must call `read` once. A model
  /// with the scales of several tasks chooses them here:
  ///
  ///     batch.aroundPass = { tasks, read in layers.withKnownTasks(ofRows: tasks, read) }
  public var aroundPass: (_ tasks: [String?], _ read: () -> Void) -> Void = { $1() }

  private let model: DecoderModel
  private let tokenizer: Tokenizer
  private var places: [Place]
  private var addedCount = 0

  /// An empty batch.
  ///
  /// - Parameters:
  ///   - model: what writes.
  ///   - tokenizer: turns its tokens into text.
  ///   - capacity: how many texts there is room for.
  ///   - contextLength: the most tokens of a text, its prompt included; nil for the model's context.
  ///   - passLength: the most tokens of a pass: what bounds the delay by long prompts.
  public init(
    _ model: DecoderModel,
    tokenizer: Tokenizer,
    capacity: Int,
    contextLength: Int? = nil,
    passLength: Int = 256
  ) {
    expect(capacity > 0, "batch: room for \(capacity) texts, at least 1 is needed")
    expect(passLength > 0, "batch: a pass of \(passLength) tokens, at least 1 is needed")
    let context = model.configuration.contextLength
    let contextLength = min(contextLength ?? context, context)
    (self.model, self.tokenizer) = (model, tokenizer)
    (self.contextLength, self.passLength) = (contextLength, passLength)
    places = (0..<capacity).map { _ in
      let cache = model.makeCache()
      cache.limit = contextLength
      return Place(cache: cache)
    }
  }

  /// The texts that are being read or written.
  public var count: Int { places.count { $0.text != nil } }
  /// Whether nothing is to be done.
  public var isEmpty: Bool { places.allSatisfy { $0.text == nil } }
  /// Whether there is room for another text.
  public var hasRoom: Bool { places.contains { $0.text == nil } }

  // MARK: Coming and going

  /// Takes a text in.
  ///
  /// - Parameters:
  ///   - prompt: at least one token, fewer than `contextLength`.
  ///   - options: how much is written, and how; without a token to write the prompt is read, and
  ///     scored if that is wanted.
  ///   - stopTexts: what ends the text, and is not part of it.
  ///   - stream: which random stream of the seed the text draws from.
  ///   - task: what `aroundPass` gets for its rows; nil for the model as it is.
  /// - Returns: what the text is called in events.
  /// - Precondition: `hasRoom`.
  public mutating func add(
    _ prompt: [Int32],
    options: GenerationOptions,
    stopTexts: [String] = [],
    stream: Int = 0,
    task: String? = nil
  ) -> Int {
    expect(
      !prompt.isEmpty && prompt.count < contextLength,
      "batch: a prompt of \(prompt.count) tokens, 1 to \(contextLength - 1) have room"
    )
    expect(options.maximumTokens >= 0, "batch: a text of \(options.maximumTokens) tokens")
    let place = makePlace(for: prompt, of: task)
    let scoresPrompt = options.scoreCount != nil && options.scoresPrompt
    if scoresPrompt { places[place].forget() }
    let reused = places[place].cache.count
    addedCount += 1
    places[place].lastUse = addedCount
    places[place].text = Text(
      id: addedCount,
      task: task,
      maximumTokens: options.maximumTokens,
      stopTokens: options.stopTokens,
      scoreCount: options.scoreCount,
      scoresPrompt: scoresPrompt,
      sampler: Sampler(options.sampling, prompt: prompt, stream: stream),
      pieces: TextPieces(tokenizer, stopTexts: stopTexts),
      pending: prompt[reused...],
      reused: reused
    )
    return addedCount
  }

  /// Breaks a text off; one that has ended is left alone.
  public mutating func remove(_ id: Int) {
    for index in places.indices where places[index].text?.id == id { places[index].text = nil }
  }

  /// How many tokens of a text's prompt needed no reading; 0 for one that has ended.
  public func reusedCount(_ id: Int) -> Int {
    places.lazy.compactMap(\.text).first { $0.id == id }?.reused ?? 0
  }

  /// A free place whose cache holds as much of the prompt as any cache does.
  ///
  /// A cache goes on being that of its conversation only if the prompt continues (nearly) all of it;
  /// else the prompt gets the place that was idle longest, and what it shares is copied there.
  private mutating func makePlace(for prompt: [Int32], of task: String?) -> Int {
    expect(hasRoom, "batch: all \(capacity) places are taken")
    let common = places.map { $0.commonCount(with: prompt, of: task) }
    let free = places.indices.filter { places[$0].text == nil }
    let continued = free.filter { places[$0].tokens.count - common[$0] <= Self.forgettable }
      .max { common[$0] < common[$1] }
    let oldest = free.min { places[$0].lastUse < places[$1].lastUse }
    let place = continued.flatMap { common[$0] > 0 ? $0 : nil } ?? oldest ?? free[0]
    let source = common.indices.max { common[$0] < common[$1] } ?? place
    if common[source] > common[place] {
      places[place].cache.adopt(places[source].cache, count: common[source])
      places[place].tokens = Array(prompt[..<common[source]])
    } else {
      places[place].cache.truncate(to: common[place])
      places[place].tokens.removeSubrange(common[place]...)
    }
    places[place].task = task
    return place
  }

  /// So many tokens at a cache's end may be given up: the marks between turns, which a template
  /// writes in another way once the conversation goes on.
  private static let forgettable = 8

  // MARK: Passes

  /// One pass of the model, and what it brings; nothing for an empty batch.
  public mutating func step() -> [Event] {
    let parts = nextParts()
    guard !parts.isEmpty else { return [] }
    let tasks = parts.map { places[$0.place].task }
    var states = Tensor<Float>.zeros([0])
    aroundPass(zip(tasks, parts).flatMap { task, part in part.tokens.map { _ in task } }) {
      states = model.hiddenStates(
        parts.map { (tokens: Array($0.tokens), cache: places[$0.place].cache) }
      )
    }
    var (ends, drawing): ([Int32], [Int]) = ([], [])
    var rows = 0
    for part in parts {
      rows += part.tokens.count
      places[part.place].tokens += part.tokens
      places[part.place].text?.pending.removeFirst(part.tokens.count)
      score(part.tokens, of: part.place, states, endingAt: rows)
      guard places[part.place].text?.pending.isEmpty == true else { continue }
      ends.append(Int32(rows - 1))
      drawing.append(part.place)
    }
    guard !drawing.isEmpty else { return [] }
    var logits = Tensor<Float>.zeros([0])
    aroundPass(drawing.map { places[$0].task }) { logits = model.logits(states.rows(ends)) }
    return zip(drawing, 0...).compactMap { place, row in draw(place, logits[row]) }
  }

  /// What each text reads in the next pass: texts that are being written first, then prompts as they
  /// came.
  private func nextParts() -> [(place: Int, tokens: ArraySlice<Int32>)] {
    let texts = places.enumerated().compactMap { place, value in
      value.text.map { (place: place, text: $0) }
    }
    var parts = texts.filter(\.text.isWriting).map { (place: $0.place, tokens: $0.text.pending) }
    // However many write, prompts get a quarter.
    var room = max(passLength - parts.count, (passLength + 3) / 4)
    for (place, text) in texts.sorted(by: { $0.text.id < $1.text.id }) where !text.isWriting {
      guard room > 0 else { break }
      parts.append((place, text.pending.prefix(room)))
      room -= min(text.pending.count, room)
    }
    return parts
  }

  /// Scores the tokens of a prompt that follow those of a part whose states end before row `end`.
  private mutating func score(
    _ part: ArraySlice<Int32>,
    of place: Int,
    _ states: Tensor<Float>,
    endingAt end: Int
  ) {
    guard let text = places[place].text, text.scoresPrompt, !text.isWriting else { return }
    let next = Array(part.dropFirst() + text.pending.prefix(1))
    let first = end - part.count
    // As many rows at once as have logits in a pass without scores.
    for start in stride(from: 0, to: next.count, by: capacity) {
      let tokens = next[start..<min(start + capacity, next.count)]
      let rows = tokens.indices.map { Int32(first + $0) }
      var logits = Tensor<Float>.zeros([0])
      aroundPass(rows.map { _ in text.task }) { logits = model.logits(states.rows(rows)) }
      for (row, token) in tokens.enumerated() {
        places[place].text?.promptScores
          .append(TokenScore(of: token, logits[row], count: text.scoreCount ?? 0))
      }
    }
  }

  /// Draws the next token of the text at a place, which is free again when the text ends.
  private mutating func draw(_ place: Int, _ logits: Tensor<Float>) -> Event? {
    guard var text = places[place].text else { return nil }
    guard text.maximumTokens > 0 else {
      places[place].text = nil
      return Event(id: text.id, piece: "", finish: .length, promptScores: text.promptScores)
    }
    let token = text.sampler.next(logits)
    var event = Event(id: text.id, token: token, piece: "", promptScores: text.promptScores)
    text.promptScores = []
    if text.stopTokens.contains(token) {
      (event.token, event.finish) = (nil, .stop)
    } else {
      event.score = text.scoreCount.map { TokenScore(of: token, logits, count: $0) }
      text.produced += 1
      text.pending = [token]
      event.piece = text.pieces.append(token)
      if text.pieces.isStopped {
        event.finish = .stopText
      } else if text.produced >= text.maximumTokens {
        event.finish = .length
      } else if places[place].cache.count + 1 >= contextLength {
        event.finish = .context
      }
    }
    if event.finish != nil, !text.pieces.isStopped {
      event.piece += text.pieces.finish()
      if text.pieces.isStopped { event.finish = .stopText }
    }
    places[place].text = event.finish == nil ? text : nil
    return event
  }
}
