/// How the next token is drawn from the logits.
///
/// The steps and their order are those of the transformers library: repetition penalty, temperature,
/// top-k, top-p, min-p. What is added to logits, which the OpenAI API has beyond them, comes before the
/// temperature.
public struct SamplingOptions: Codable, Hashable, Sendable {
  /// Divides the logits; 0 takes the most likely token (greedy).
  public var temperature: Float
  /// Keeps the k most likely tokens; nil keeps all.
  public var topK: Int?
  /// Keeps the smallest set of most likely tokens whose probability reaches p; nil keeps all.
  public var topP: Float?
  /// Keeps the tokens that have at least this part of the largest probability; nil keeps all.
  public var minP: Float?
  /// Divides the positive logits of tokens that the text already has, prompt included, and
  /// multiplies their negative ones; 1 changes nothing.
  public var repetitionPenalty: Float
  /// Taken from the logit of a token for each time that the text has written it, the prompt not
  /// counted; 0 changes nothing.
  public var frequencyPenalty: Float
  /// Taken once from the logit of each token that the text has written, the prompt not counted; 0
  /// changes nothing.
  public var presencePenalty: Float
  /// Added to the logits of single tokens: −100 bans one, 100 leaves no other.
  public var logitBias: [Int32: Float]
  /// The seed of the draws.
  public var seed: UInt64

  /// Options for drawing; the default is greedy.
  public init(
    temperature: Float = 0,
    topK: Int? = nil,
    topP: Float? = nil,
    minP: Float? = nil,
    repetitionPenalty: Float = 1,
    frequencyPenalty: Float = 0,
    presencePenalty: Float = 0,
    logitBias: [Int32: Float] = [:],
    seed: UInt64 = 0
  ) {
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
    self.minP = minP
    self.repetitionPenalty = repetitionPenalty
    self.frequencyPenalty = frequencyPenalty
    self.presencePenalty = presencePenalty
    self.logitBias = logitBias
    self.seed = seed
  }

  /// Always the most likely token.
  public static let greedy = SamplingOptions()
}
