/// How much is generated, and how.
public struct GenerationOptions: Codable, Hashable, Sendable {
  /// The most tokens to write.
  public var maximumTokens: Int
  /// How each is drawn.
  public var sampling: SamplingOptions
  /// The ids that end the text.
  public var stopTokens: Set<Int32>
  /// How many of the likeliest tokens a ``ContinuousBatch`` tells the log-probabilities of, beside
  /// each token's own; nil tells none.
  public var scoreCount: Int?
  /// Whether it tells those of the prompt's tokens as well, with `scoreCount`.
  public var scoresPrompt: Bool

  /// Options for one generation; the defaults write up to 128 tokens greedily.
  public init(
    maximumTokens: Int = 128,
    sampling: SamplingOptions = .greedy,
    stopTokens: Set<Int32> = [],
    scoreCount: Int? = nil,
    scoresPrompt: Bool = false
  ) {
    self.maximumTokens = maximumTokens
    self.sampling = sampling
    self.stopTokens = stopTokens
    self.scoreCount = scoreCount
    self.scoresPrompt = scoresPrompt
  }
}

/// Why a generation ended.
public enum GenerationFinish: String, Codable, Sendable {
  /// A stop id was drawn.
  case stop
  /// A stop text was written.
  case stopText
  /// The token limit was reached.
  case length
  /// The model's context is full.
  case context
}
