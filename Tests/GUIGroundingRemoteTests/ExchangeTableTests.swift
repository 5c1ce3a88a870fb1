import Foundation
import Testing

@testable import GUIGroundingRemote

@Suite struct ExchangeTableTests {
  /// Tasks that compute hold every thread that tasks have; the time is over all the same.
  @Test func timesAreKeptWhileTasksCompute() async {
    let table = ExchangeTable()
    let limits = HTTPLimits(connectSeconds: 0.2, totalSeconds: 0.3, bodyByteCount: 1)
    let busy = (0..<2 * ProcessInfo.processInfo.activeProcessorCount).map { _ in
      Task.detached { hold(seconds: 2) }
    }
    await #expect(throws: HTTPProblem.timedOut(seconds: 0.3)) {
      try await table.run(limits) { number in
        table.noteConnected(number)
        Thread.detachNewThread {
          hold(seconds: 1.5)
          table.end(number, .success(HTTPReply(status: 200, headers: [:], body: [])))
        }
      } stop: { _ in
      }
    }
    for task in busy { await task.value }
  }
}

private func hold(seconds: Double) { Thread.sleep(forTimeInterval: seconds) }
