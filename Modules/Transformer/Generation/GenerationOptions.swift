/// How much is generated, and how.
public struct GenerationOptions: Codable, Hashable, Sendable {
  /// The most tokens to write.
  public var maximumTokens: Int
  /// How each is drawn.
  public var sampling: SamplingOptions
  /// The ids that end the text.
  public var stopTokens: Set<Int32>

  /// Options for one generation; the defaults write up to 128 tokens greedily.
  public init(
    maximumTokens: Int = 128,
    sampling: SamplingOptions = .greedy,
    stopTokens: Set<Int32> = []
  ) {
    self.maximumTokens = maximumTokens
    self.sampling = sampling
    self.stopTokens = stopTokens
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
