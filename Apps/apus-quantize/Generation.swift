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
    model = file.path
    self.prompt = prompt
    self.options = options
    let ids = try file.promptTokens(prompt, encoding: encoding)
    promptTokens = ids.count
    (text, tokens) = ("", [])
    let model = try file.makeModel()
    try Cancellation.check()
    var decoder = file.makeStreamDecoder()
    let start = secondsOfUptime()
    var first: Double?
    var stream = model.generate(after: ids, options: options)
    func take(_ piece: String) throws {
      text += piece
      if !piece.isEmpty { try show?(piece) }
    }
    while let token = stream.next() {
      first = first ?? secondsOfUptime()
      tokens.append(token)
      try take(decoder.append(token))
      if Cancellation.isRequested { break }
    }
    let end = secondsOfUptime()
    try take(decoder.finish())
    if !text.hasSuffix("\n") { try show?("\n") }
    try Cancellation.check()
    finish = stream.finish
    promptSeconds = (first ?? end) - start
    seconds = end - (first ?? end)
    // The first token belongs to the prompt's time.
    tokensPerSecond = ReportNumber(Double(max(tokens.count - 1, 0)) / seconds)
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
