import Dispatch
import Synchronization

/// Asynchronous work that a thread looks after: a server beside the loop of a command.
public final class BackgroundWork: Sendable {
  private let failure = Mutex<(any Error)?>(nil)
  private let ended = DispatchSemaphore(value: 0)
  private let task = Mutex<Task<Void, Never>?>(nil)

  /// Starts the work.
  public init(_ body: @escaping @Sendable () async throws -> Void) {
    let task = Task { [self] in
      do { try await body() } catch { failure.withLock { $0 = error } }
      ended.signal()
    }
    self.task.withLock { $0 = task }
  }

  /// What the work has thrown, so far.
  public var error: (any Error)? { failure.withLock { $0 } }

  /// Cancels the work's task.
  public func cancel() { task.withLock { $0?.cancel() } }

  /// Waits so many seconds for the end.
  ///
  /// - Returns: whether it has come; the error, if there is one, stays in `error`.
  public func hasEnded(within seconds: Double) -> Bool {
    guard ended.wait(timeout: .now() + seconds) == .success else { return false }
    ended.signal()
    return true
  }
}
