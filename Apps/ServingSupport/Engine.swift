import Foundation
import Synchronization

/// The thread that owns all models and computes for all requests.
///
/// What touches a model is a message to this thread. Between two passes it takes all messages that
/// have come, so a request joins the texts that are being written, and one that is broken off leaves
/// them, after at most one pass.
final class Engine: Sendable {
  typealias Message = @Sendable (inout RunningModels) -> Void

  private struct Inbox {
    var messages: [Message] = []
    var isClosed = false
  }

  private let inbox = Mutex(Inbox())
  private let bell = DispatchSemaphore(value: 0)

  /// Starts the thread, which lives until `close()`.
  init(metrics: ServerMetrics) {
    let thread = Thread { [self] in run(metrics) }
    thread.name = "apus-serve engine"
    thread.stackSize = 8 << 20
    thread.start()
  }

  /// Sends a message; one that comes after the end is dropped.
  func post(_ message: @escaping Message) {
    inbox.withLock { if !$0.isClosed { $0.messages.append(message) } }
    bell.signal()
  }

  /// Breaks off all texts and ends the thread.
  func close() {
    inbox.withLock { $0.isClosed = true }
    bell.signal()
  }

  private func run(_ metrics: ServerMetrics) {
    var models = RunningModels(metrics: metrics)
    while true {
      let (messages, isClosed) = inbox.withLock { inbox in
        defer { inbox.messages = [] }
        return (inbox.messages, inbox.isClosed)
      }
      for message in messages { message(&models) }
      guard !isClosed else { return models.breakOff() }
      if models.isIdle {
        if messages.isEmpty { bell.wait() }
      } else {
        models.step()
      }
    }
  }
}
