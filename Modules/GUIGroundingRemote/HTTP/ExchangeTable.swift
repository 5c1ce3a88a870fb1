import Dispatch
import Synchronization

/// The exchanges that are under way, each with somebody who waits for it.
///
/// An exchange ends once: with its reply, with a fault, when one of its times is over, or when the
/// task is cancelled, whichever comes first. What comes later is of no interest.
final class ExchangeTable: Sendable {
  typealias Outcome = Result<HTTPReply, HTTPProblem>

  private struct Exchange {
    let continuation: CheckedContinuation<Outcome, Never>
    var isConnected = false
  }

  private struct State {
    var next = 0
    var exchanges: [Int: Exchange] = [:]
  }

  private let state = Mutex(State())
  // Not a task that sleeps: tasks that compute may hold every thread that tasks have, and a time that
  // is over has to be over then too.
  private static let clock = DispatchQueue(label: "ExchangeTable.clock", qos: .userInteractive)

  /// Runs an exchange and waits for its end.
  ///
  /// - Parameters:
  ///   - limits: its times.
  ///   - start: begins it; gets its number, under which it is to be ended.
  ///   - stop: gives it up; called after the end, whatever that was.
  /// - Returns: the reply.
  /// - Throws: `HTTPProblem`.
  func run(
    _ limits: HTTPLimits,
    start: (Int) -> Void,
    stop: (Int) -> Void
  ) async throws(HTTPProblem) -> HTTPReply {
    guard !Task.isCancelled else { throw .cancelled }
    let number = state.withLock { state in
      state.next += 1
      return state.next
    }
    let outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        state.withLock { $0.exchanges[number] = Exchange(continuation: continuation) }
        watch(number, limits)
        start(number)
        // A cancellation that came before found nothing to end.
        if Task.isCancelled { end(number, .failure(.cancelled)) }
      }
    } onCancel: {
      end(number, .failure(.cancelled))
    }
    stop(number)
    return try outcome.get()
  }

  /// Gives the outcome to whoever waits.
  func end(_ number: Int, _ outcome: Outcome) {
    let exchange = state.withLock { $0.exchanges.removeValue(forKey: number) }
    exchange?.continuation.resume(returning: outcome)
  }

  /// Notes that the connection stands.
  func noteConnected(_ number: Int) {
    state.withLock { $0.exchanges[number]?.isConnected = true }
  }

  /// Whether nobody waits any more.
  func isOver(_ number: Int) -> Bool { state.withLock { $0.exchanges[number] == nil } }

  /// Ends the exchange when one of its times is over.
  private func watch(_ number: Int, _ limits: HTTPLimits) {
    let connect = min(limits.connectSeconds, limits.totalSeconds)
    Self.clock.asyncAfter(deadline: .now() + connect) { [weak self] in
      guard let self, !isConnected(number) else { return }
      end(number, .failure(.connectTimedOut(seconds: connect)))
    }
    Self.clock.asyncAfter(deadline: .now() + limits.totalSeconds) { [weak self] in
      self?.end(number, .failure(.timedOut(seconds: limits.totalSeconds)))
    }
  }

  private func isConnected(_ number: Int) -> Bool {
    state.withLock { $0.exchanges[number]?.isConnected ?? true }
  }
}
