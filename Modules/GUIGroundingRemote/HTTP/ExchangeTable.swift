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
    var watch: Task<Void, Never>?
  }

  private struct State {
    var next = 0
    var exchanges: [Int: Exchange] = [:]
  }

  private let state = Mutex(State())

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
    exchange?.watch?.cancel()
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
    let watch = Task { [weak self] in
      guard (try? await Task.sleep(for: .seconds(connect))) != nil, let self else { return }
      if !isConnected(number) {
        return end(number, .failure(.connectTimedOut(seconds: connect)))
      }
      guard (try? await Task.sleep(for: .seconds(limits.totalSeconds - connect))) != nil else {
        return
      }
      end(number, .failure(.timedOut(seconds: limits.totalSeconds)))
    }
    let isOver = state.withLock { state in
      state.exchanges[number]?.watch = watch
      return state.exchanges[number] == nil
    }
    if isOver { watch.cancel() }
  }

  private func isConnected(_ number: Int) -> Bool {
    state.withLock { $0.exchanges[number]?.isConnected ?? true }
  }
}
