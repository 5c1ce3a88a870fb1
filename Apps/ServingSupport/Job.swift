import Transformer

/// A text that somebody waits for.
struct Job: Sendable {
  /// What happens to it.
  struct Event: Sendable {
    /// Which of the texts of a request it is.
    var choice: Int
    /// Text that is certain now; often empty.
    var piece = ""
    /// Tokens that were drawn.
    var tokens = 0
    /// Tokens of the prompt that needed no reading; told once, with the first event.
    var reused = 0
    /// Why it has ended.
    var finish: GenerationFinish?
    /// How likely its tokens were, and before the first those of the prompt, where somebody asked.
    var scores: [TokenScore] = []
    var promptScores: [TokenScore] = []
  }

  let id: UInt64
  /// What the request called the model.
  let model: String
  /// Which task of a shared base writes it.
  let task: String?
  /// Which of the texts of a request it is.
  let choice: Int
  let prompt: [Int32]
  let options: GenerationOptions
  let stopTexts: [String]
  /// The time of uptime at which it came.
  let start: Double
  /// What it gives back at its end.
  let stay: Stay
  let events: AsyncStream<Event>.Continuation
}
