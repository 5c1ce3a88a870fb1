import Support
import Transformer

/// Texts that a model has written, and how fast.
struct Generation: Encodable {
  /// A text to continue, and its tokens.
  struct Prompt {
    var text: String
    var tokens: [Int32]
  }

  /// A prompt and what became of it.
  struct Text: Encodable {
    var prompt: String
    var promptTokens: Int
    var text: String
    var tokens: [Int32]
    var finish: GenerationFinish?
  }

  var model: String
  var texts: [Text]
  /// Until the first tokens came.
  var promptSeconds: Double
  /// From the first tokens to the last.
  var seconds: Double
  /// Tokens of all texts together.
  var tokensPerSecond: ReportNumber
  var options: GenerationOptions
  var stopTexts: [String]

  /// Continues prompts in one batch.
  ///
  /// - Parameters:
  ///   - name: what the model is called.
  ///   - model: what writes.
  ///   - tokenizer: turns its tokens into text.
  ///   - prompts: texts and their tokens.
  ///   - options: how much is written, and how.
  ///   - stopTexts: what ends a text.
  ///   - reporter: shows how far the batch is.
  ///   - show: takes the first text as it comes.
  /// - Throws: `CommandFailure` if the user interrupts.
  init(
    _ name: String,
    model: DecoderModel,
    tokenizer: Tokenizer,
    prompts: [Prompt],
    options: GenerationOptions,
    stopTexts: [String],
    reporter: ProgressReporter?,
    show: ((String) throws -> Void)?
  ) throws {
    var batch = TextBatch(
      model,
      tokenizer: tokenizer,
      prompts: prompts.map(\.tokens),
      options: options,
      stopTexts: stopTexts
    )
    try Cancellation.check()
    let start = secondsOfUptime()
    var first = start
    while !Cancellation.isRequested, let pieces = batch.next() {
      if first == start { first = secondsOfUptime() }
      if !pieces[0].isEmpty { try show?(pieces[0]) }
      let written = batch.texts.reduce(0) { $0 + $1.tokens.count }
      reporter?.update(completed: written, total: prompts.count * options.maximumTokens, note: "")
    }
    seconds = secondsOfUptime() - first
    reporter?.clear()
    if let show, !batch.texts[0].text.hasSuffix("\n") { try show("\n") }
    try Cancellation.check()
    self.model = name
    texts = zip(prompts, batch.texts).map { prompt, written in
      Text(
        prompt: prompt.text,
        promptTokens: prompt.tokens.count,
        text: written.text,
        tokens: written.tokens,
        finish: written.finish
      )
    }
    promptSeconds = first - start
    // The first token of each text belongs to the prompts' time.
    let later = texts.reduce(0) { $0 + max($1.tokens.count - 1, 0) }
    tokensPerSecond = ReportNumber(Double(later) / seconds)
    self.options = options
    self.stopTexts = stopTexts
  }

  /// Prompts and texts for a reader.
  var listing: String {
    texts.map { "── \($0.prompt)\n\($0.text)\n" }.joined(separator: "\n")
  }

  /// The line that closes a run.
  var summary: String {
    let tokens = texts.reduce(0) { $0 + $1.tokens.count }
    let read = texts.reduce(0) { $0 + $1.promptTokens }
    let source =
      texts.count == 1
      ? "a prompt of \(read.counted("token"))"
      : "\(texts.count) prompts of together \(read.counted("token"))"
    let reason = texts.count == 1 ? "; \(Self.reason(texts[0].finish))" : ""
    return "\(tokens.counted("token")) in \(durationText(promptSeconds + seconds)), "
      + "\(tokensPerSecond.value.fixed(1)) tokens/s after \(source) "
      + "(\(durationText(promptSeconds)))\(reason)"
  }

  private static func reason(_ finish: GenerationFinish?) -> String {
    switch finish {
    case .stop: "the model ended"
    case .stopText: "a stop text came"
    case .length: "the limit is reached"
    case .context: "the model's context is full"
    case nil: "interrupted"
    }
  }
}
