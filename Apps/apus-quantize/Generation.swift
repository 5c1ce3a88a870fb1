import Support
import Transformer

/// A text that a model has written, and how fast.
struct Generation: Encodable {
  var model: String
  var prompt: String
  var promptTokens: Int
  var text: String
  var tokens: [Int32]
  var finish: TokenStream.Finish?
  /// Until the first token came.
  var promptSeconds: Double
  /// From the first token to the last.
  var seconds: Double
  var tokensPerSecond: ReportNumber
  var options: GenerationOptions

  /// Continues the prompt.
  ///
  /// - Parameters:
  ///   - file: the model.
  ///   - prompt: the text to continue.
  ///   - encoding: how it becomes tokens; nil leaves that to the tokenizer.
  ///   - options: how much is written, and how.
  ///   - show: takes the text as it comes.
  /// - Throws: `CommandFailure` if the prompt has no token or too many, or the user interrupts.
  init(
    _ file: ModelFile,
    prompt: String,
    encoding: GenerateCommand.Encoding?,
    options: GenerationOptions,
    show: ((String) throws -> Void)?
  ) throws {
    let ids = try file.promptTokens(prompt, encoding: encoding)
    let model = try file.makeModel()
    try Cancellation.check()
    var writer = Writer(
      decoder: try file.pretrained.requireTokenizer().makeStreamDecoder(),
      show: show
    )
    finish = try writer.write(model.generate(after: ids, options: options))
    try Cancellation.check()
    self.model = file.path
    self.prompt = prompt
    promptTokens = ids.count
    (text, tokens) = (writer.text, writer.tokens)
    (promptSeconds, seconds) = (writer.promptSeconds, writer.seconds)
    // The first token belongs to the prompt's time.
    tokensPerSecond = ReportNumber(Double(max(tokens.count - 1, 0)) / seconds)
    self.options = options
  }

  /// The line that closes a run.
  var summary: String {
    let reason =
      switch finish {
      case .stop: "the model ended"
      case .length: "the limit is reached"
      case .context: "the model's context is full"
      case nil: "interrupted"
      }
    return "\(tokens.count.counted("token")) in \(durationText(promptSeconds + seconds)), "
      + "\(tokensPerSecond.value.fixed(1)) tokens/s after a prompt of "
      + "\(promptTokens.counted("token")) (\(durationText(promptSeconds))); \(reason)"
  }
}

/// Turns tokens into text as they come, and takes the time.
private struct Writer {
  var decoder: TokenStreamDecoder
  let show: ((String) throws -> Void)?
  var text = ""
  var tokens: [Int32] = []
  var promptSeconds = 0.0
  var seconds = 0.0

  init(decoder: TokenStreamDecoder, show: ((String) throws -> Void)?) {
    self.decoder = decoder
    self.show = show
  }

  /// Writes the whole stream, unless the user interrupts; returns why it ended.
  mutating func write(_ tokens: TokenStream) throws -> TokenStream.Finish? {
    let start = secondsOfUptime()
    var tokens = tokens
    while !Cancellation.isRequested, let token = tokens.next() {
      if self.tokens.isEmpty { promptSeconds = secondsOfUptime() - start }
      self.tokens.append(token)
      try take(decoder.append(token))
    }
    seconds = secondsOfUptime() - start - promptSeconds
    try take(decoder.finish())
    if !text.hasSuffix("\n") { try show?("\n") }
    return tokens.finish
  }

  private mutating func take(_ piece: String) throws {
    text += piece
    if !piece.isEmpty { try show?(piece) }
  }
}
