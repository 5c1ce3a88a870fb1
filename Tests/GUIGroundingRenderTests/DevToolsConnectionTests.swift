import Checkpoints
import Foundation
import Testing

@testable import GUIGroundingRender

/// A connection whose other end is the test.
@Suite(.timeLimit(.minutes(10))) struct DevToolsConnectionTests {
  private struct Ends {
    let connection: DevToolsConnection
    let other: Int32

    init() {
      var ends: [Int32] = [-1, -1]
      #if canImport(Darwin)
        socketpair(AF_UNIX, SOCK_STREAM, 0, &ends)
      #else
        // A browser of another test must not get these ends.
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends)
      #endif
      connection = DevToolsConnection(socket: ends[0]) { "last words" }
      other = ends[1]
    }

    /// The next message that the connection sent; waits on a thread that nobody else needs.
    func next() async -> JSONValue {
      await withCheckedContinuation { continuation in
        Thread.detachNewThread { [other] in
          var bytes: [UInt8] = []
          var byte: UInt8 = 0
          while recv(other, &byte, 1, 0) == 1, byte != 0 { bytes.append(byte) }
          continuation.resume(returning: (try? JSONValue.parse(bytes)) ?? .null)
        }
      }
    }

    func say(_ text: String) {
      var bytes = Array(text.utf8)
      bytes.append(0)
      // In two halves: messages do not come in one piece.
      for half in [bytes[..<(bytes.count / 2)], bytes[(bytes.count / 2)...]] {
        _ = half.withUnsafeBytes { send(other, $0.baseAddress, $0.count, 0) }
      }
    }

    func end() { close(other) }
  }

  @Test func answersFindTheirCommands() async throws {
    let ends = Ends()
    defer { ends.end() }
    let first = Task { try await ends.connection.call("A.a", ["x": 1], session: "s") }
    let a = await ends.next()
    let second = Task { try await ends.connection.call("B.b") }
    let b = await ends.next()
    #expect(a["method"] == "A.a" && a["params"]?["x"] == 1 && a["sessionId"] == "s")
    #expect(b["method"] == "B.b" && b["sessionId"] == nil)
    let (one, two) = (a["id"]?.intValue ?? 0, b["id"]?.intValue ?? 0)
    ends.say("not json")
    ends.say("{\"id\":999,\"result\":{}}")
    ends.say("{\"id\":\(two),\"result\":{\"value\":\"ü\"}}")
    ends.say("{\"id\":\(one),\"error\":{\"code\":-1,\"message\":\"no such page\"}}")
    #expect(try await second.value["value"] == "ü")
    await #expect(throws: BrowserError.refused(command: "A.a", message: "no such page")) {
      _ = try await first.value
    }
  }

  @Test func commandsWithoutAnswerEndWithTheirTime() async throws {
    let ends = Ends()
    defer { ends.end() }
    await #expect(throws: BrowserError.timedOut("A.a", seconds: 0.1)) {
      try await ends.connection.call("A.a", seconds: 0.1)
    }
    // A late answer does no harm.
    let number = await ends.next()["id"]?.intValue ?? 0
    ends.say("{\"id\":\(number),\"result\":{}}")
    let next = Task { try await ends.connection.call("B.b") }
    let b = await ends.next()["id"]?.intValue ?? 0
    ends.say("{\"id\":\(b),\"result\":{}}")
    _ = try await next.value
  }

  @Test func theEndOfTheBrowserEndsAllThatWait() async throws {
    let ends = Ends()
    let waiting = Task { try await ends.connection.call("A.a") }
    _ = await ends.next()
    ends.end()
    await #expect(throws: BrowserError.ended(log: "last words")) { try await waiting.value }
    await #expect(throws: BrowserError.ended(log: "last words")) {
      try await ends.connection.call("B.b")
    }
    await #expect(throws: BrowserError.ended(log: "last words")) {
      try await ends.connection.event("E.e", session: "s", seconds: 5) {}
    }
  }

  @Test func eventsAreNotMissedWhenTheyComeFirst() async throws {
    let ends = Ends()
    defer { ends.end() }
    let event = Task {
      try await ends.connection.event("Page.loaded", session: "s", seconds: 20) {
        () async throws(BrowserError) in
        _ = try await ends.connection.call("Page.open", session: "s")
      }
    }
    let number = await ends.next()["id"]?.intValue ?? 0
    // The event overtakes the answer; one of another page is not meant.
    ends.say("{\"method\":\"Page.loaded\",\"sessionId\":\"other\",\"params\":{}}")
    ends.say("{\"method\":\"Page.loaded\",\"sessionId\":\"s\",\"params\":{}}")
    ends.say("{\"id\":\(number),\"result\":{}}")
    try await event.value
  }

  @Test func crashedPagesEndTheirCommandsOnly() async throws {
    let ends = Ends()
    defer { ends.end() }
    let doomed = Task { try await ends.connection.call("A.a", session: "s") }
    _ = await ends.next()
    let other = Task { try await ends.connection.call("B.b", session: "t") }
    let number = await ends.next()["id"]?.intValue ?? 0
    ends.say("{\"method\":\"Inspector.targetCrashed\",\"sessionId\":\"s\",\"params\":{}}")
    ends.say("{\"id\":\(number),\"result\":{}}")
    await #expect(throws: BrowserError.crashed(page: "s")) { try await doomed.value }
    _ = try await other.value
    await #expect(throws: BrowserError.crashed(page: "s")) {
      try await ends.connection.call("C.c", session: "s")
    }
  }

  @Test func dialogsAreSentAway() async throws {
    let ends = Ends()
    defer { ends.end() }
    ends.say(
      "{\"method\":\"Page.javascriptDialogOpening\",\"sessionId\":\"s\",\"params\":{\"type\":\"alert\"}}"
    )
    let answer = await ends.next()
    #expect(answer["method"] == "Page.handleJavaScriptDialog" && answer["sessionId"] == "s")
    #expect(answer["params"]?["accept"] == false)
  }

  @Test func cancellingEndsTheWait() async throws {
    let ends = Ends()
    defer { ends.end() }
    let task = Task { try await ends.connection.call("A.a", seconds: 60) }
    _ = await ends.next()
    task.cancel()
    await #expect(throws: BrowserError.cancelled) { try await task.value }
  }
}
