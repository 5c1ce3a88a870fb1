/// What a step of policy optimization did, beside its loss; means over the tokens that count.
public struct GRPOMetrics: Codable, Hashable, Sendable {
  /// The loss.
  public var loss = 0.0
  /// The share with a ratio below 1 − ε_low and a negative advantage.
  public var lowClipShare = 0.0
  /// The share with a ratio above 1 + ε_high and a positive advantage.
  public var highClipShare = 0.0
  /// The distance from the reference; nil where β is 0.
  public var kl: Double?
  /// The entropy of the policy in nats; nil where only log-probabilities are known.
  public var entropy: Double?
  /// The ratio.
  public var ratio = 1.0
  /// Tokens that count, per row.
  public var completionLength = 0.0
  /// Tokens that count.
  public var tokenCount = 0

  /// Nothing yet.
  public init() {}
}
