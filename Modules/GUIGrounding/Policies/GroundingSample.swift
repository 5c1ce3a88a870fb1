/// One answer of a policy.
public struct GroundingSample: Codable, Hashable, Sendable {
  /// The whole response, thinking and answer; a native policy renders its tokens.
  public var text: String
  /// Where to click, in pixels of the view; nil where the text says no place.
  public var point: GroundingPoint?
  /// The box, when the answer was one, in pixels of the view.
  public var box: GroundingBox?
  /// Whether the text has the demanded form, whatever it says.
  public var formatOK: Bool
  /// The tokens of the response; native policies only.
  public var tokens: [Int32]?
  /// The logarithms of their probabilities at temperature 1, where the policy knows them.
  public var tokenLogProbabilities: [Float]?
  /// Whether the response ended because it had no more room.
  public var truncated: Bool
  /// How many tokens the response has, where only the number is known.
  public var reportedTokenCount: Int?

  /// An answer.
  public init(
    text: String,
    point: GroundingPoint?,
    box: GroundingBox? = nil,
    formatOK: Bool,
    tokens: [Int32]? = nil,
    tokenLogProbabilities: [Float]? = nil,
    truncated: Bool = false,
    reportedTokenCount: Int? = nil
  ) {
    self.text = text
    self.point = point
    self.box = box
    self.formatOK = formatOK
    self.tokens = tokens
    self.tokenLogProbabilities = tokenLogProbabilities
    self.truncated = truncated
    self.reportedTokenCount = reportedTokenCount
  }

  /// How many tokens the response has, if that is known.
  public var tokenCount: Int? {
    tokens?.count ?? reportedTokenCount ?? tokenLogProbabilities?.count
  }

  /// The logarithm of the probability of the whole response, if that is known.
  public var logProbability: Double? {
    tokenLogProbabilities.map { $0.reduce(0) { $0 + Double($1) } }
  }
}
