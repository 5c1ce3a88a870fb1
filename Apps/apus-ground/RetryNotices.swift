import GUIGroundingRemote
import Support
import Synchronization

/// Says that a server keeps us waiting, and not for each of a thousand requests.
final class RetryNotices: Sendable {
  private let next = Mutex(ContinuousClock.now)
  /// A pause that nobody wonders about.
  private static let shortPause = 2.0
  private static let interval = Duration.seconds(10)

  /// Writes a retry to standard error, unless its pause is short or another was shown just now.
  func show(_ retry: ChatRetry) {
    guard retry.pause >= Self.shortPause else { return }
    let isDue = next.withLock { next in
      let now = ContinuousClock.now
      guard now >= next else { return false }
      next = now + Self.interval
      return true
    }
    guard isDue else { return }
    try? StandardStream.error.writeLine("note: \(retry)")
  }
}
