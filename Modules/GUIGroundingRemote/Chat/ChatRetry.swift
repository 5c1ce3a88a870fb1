/// An attempt that failed, and the pause before the next one.
public struct ChatRetry: Hashable, Sendable, CustomStringConvertible {
  /// Where the request went.
  public let endpoint: String
  /// What went wrong, in words.
  public let reason: String
  /// The attempts so far, from 1.
  public let attempts: Int
  /// How many there will be at most.
  public let attemptLimit: Int
  /// Seconds until the next one.
  public let pause: Double

  /// The endpoint, the reason, and how long it will be silent.
  public var description: String {
    "chat \(endpoint): \(reason); attempt \(attempts + 1) of \(attemptLimit) in "
      + (pause < 1 ? "less than a second" : "\(Int(pause.rounded(.up))) s")
  }
}
