public import Tensor

/// When a request is sent again, and after which pause.
///
///     pause = Retry-After, at most 60 s            where the server names it
///           = min(30 s, 0.5 s · 2ᵏ) · U(½, 1)      after the attempt k = 0, 1, … elsewhere
///
/// Sent again: failed and broken connections, time-outs, and the statuses 408, 409, 425, 429, 500,
/// 502, 503 and 504. Not sent again: other statuses, and replies that are whole but not understood.
public struct RetrySettings: Codable, Hashable, Sendable {
  /// How often a request is sent again at most.
  public var limit: Int
  /// The first pause in seconds, before it is shortened at random.
  public var firstPause: Double
  /// The longest pause in seconds where the server names none.
  public var longestPause: Double
  /// The longest pause in seconds that a server can ask for.
  public var longestServerPause: Double

  /// Settings; the defaults are four further attempts.
  public init(
    limit: Int = 4,
    firstPause: Double = 0.5,
    longestPause: Double = 30,
    longestServerPause: Double = 60
  ) {
    self.limit = limit
    self.firstPause = firstPause
    self.longestPause = longestPause
    self.longestServerPause = longestServerPause
  }

  /// The pause in seconds after attempt `attempt`, counted from 0.
  ///
  /// - Parameters:
  ///   - attempt: how many attempts came before that one.
  ///   - retryAfter: the pause that the server asks for.
  ///   - generator: draws the factor.
  /// - Returns: seconds, at least 0.
  public func pause(
    after attempt: Int,
    retryAfter: Double?,
    using generator: inout Philox
  ) -> Double {
    if let retryAfter { return max(0, min(longestServerPause, retryAfter)) }
    var pause = firstPause
    for _ in 0..<max(0, min(attempt, 60)) where pause < longestPause { pause *= 2 }
    return min(longestPause, pause) * (0.5 + 0.5 * Double(generator.uniform()))
  }

  /// The seconds that `Retry-After` asks for: a number, or a date compared with the server's own
  /// clock where the reply has it.
  static func retryAfter(_ headers: [String: String], now: Double) -> Double? {
    guard let text = headers["retry-after"]?.filter({ $0 != "\t" }) else { return nil }
    let trimmed = text.drop { $0 == " " }
    if let seconds = Double(trimmed), seconds.isFinite { return max(0, seconds) }
    guard let date = HTTPDate.seconds(text) else { return nil }
    return max(0, date - (headers["date"].flatMap(HTTPDate.seconds) ?? now))
  }
}
