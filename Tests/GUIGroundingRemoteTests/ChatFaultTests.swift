import Checkpoints
import Foundation
import GUIGrounding
import Synchronization
import TestSupport
import Testing

@testable import GUIGroundingRemote

/// Servers that are slow, broken or hostile.
@Suite(.timeLimit(.minutes(10))) struct ChatFaultTests {
  private func reason(
    _ server: MockServer,
    limits: ChatLimits = Scene.limits(retries: 0)
  ) async throws -> ChatError {
    let policy = try Scene.policy(server, limits: limits)
    return try await #require(throws: ChatError.self) {
      try await policy.sample(Scene.request, count: 1, options: .greedy)
    }
  }

  @Test func brokenAnswersAreAskedForAgain() async throws {
    let server = try MockServer { _, number in
      switch number {
      case 0: [.reset]
      case 1: [.head(length: 1000), .send([0x7B]), .reset]
      case 2: [.json(["error": ["message": "loading"]], status: 503)]
      case 3: [.reply(500, [])]
      default: [.answers(["(8, 9)"])]
      }
    }
    defer { server.stop() }
    let pauses = Mutex<[Double]>([])
    let policy = try Scene.policy(server) { seconds in pauses.withLock { $0.append(seconds) } }
    let sample = try await policy.sample(Scene.request, count: 1, options: .greedy)[0]
    #expect(sample.point == GroundingPoint(x: 8, y: 9))
    let times = pauses.withLock { $0 }
    #expect(times.count == 4)
    for (attempt, time) in times.enumerated() {
      let full = 0.5 * Double(1 << attempt)
      #expect(time >= full / 2 && time <= full)
    }
    #expect(policy.tally.requests == 5 && policy.tally.retries == 4)
  }

  @Test func lastingFaultsEndAfterTheLastAttempt() async throws {
    let server = try MockServer { _, _ in [.json(["error": "down"], status: 502)] }
    defer { server.stop() }
    let error = try await reason(server, limits: Scene.limits(retries: 4))
    #expect(error.reason == .unavailable(status: 502, message: "down"))
    #expect(error.attempts == 5 && server.requests.count == 5)
    #expect("\(error)".contains("after 5 attempts"))
  }

  @Test func aSilentServerEndsWithTheTime() async throws {
    let server = try MockServer { _, _ in [.wait(seconds: 600)] }
    defer { server.stop() }
    let error = try await reason(server, limits: Scene.limits(total: 0.4, retries: 0))
    #expect(error.reason == .timedOut(seconds: 0.4))
  }

  @Test func drippingBytesDoNotExtendTheTime() async throws {
    let server = try MockServer { _, _ in [.head(length: 1 << 20), .drip(0x20, seconds: 0.02)] }
    defer { server.stop() }
    let error = try await reason(server, limits: Scene.limits(total: 0.5, retries: 0))
    #expect(error.reason == .timedOut(seconds: 0.5))
  }

  @Test func drippingHeadersDoNotExtendTheTime() async throws {
    let server = try MockServer { _, _ in
      [.send(Array("HTTP/1.1 200 OK\r\nX-Long: ".utf8)), .drip(0x61, seconds: 0.02)]
    }
    defer { server.stop() }
    let error = try await reason(server, limits: Scene.limits(total: 0.5, retries: 0))
    #expect(error.reason == .timedOut(seconds: 0.5))
  }

  @Test func endlessBodiesAreCutOff() async throws {
    let block = [UInt8](repeating: 0x20, count: 1 << 16)
    let server = try MockServer { _, _ in
      [.send(Array("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".utf8)), .flood(block)]
    }
    defer { server.stop() }
    let limits = Scene.limits(total: 30, bytes: 1 << 18, retries: 2)
    let error = try await reason(server, limits: limits)
    #expect(error.reason == .tooLarge(limit: 1 << 18))
    #expect(error.attempts == 1)
  }

  @Test func aPortWithoutServerIsAConnectionFault() async throws {
    let server = try MockServer { _, _ in [] }
    server.stop()
    let error = try await reason(server)
    guard case .connection = error.reason else {
      Issue.record("\(error)")
      return
    }
    #expect("\(error)".contains("127.0.0.1:\(server.port)"))
  }

  @Test func redirectionsAreNotFollowed() async throws {
    let other = try MockServer { _, _ in [.answers(["(1, 1)"])] }
    defer { other.stop() }
    let place = other.baseURL + "/chat/completions"
    let server = try MockServer { _, _ in [.reply(307, headers: ["Location": place], [])] }
    defer { server.stop() }
    let error = try await reason(server)
    #expect(error.reason == .redirected(status: 307, location: place))
    #expect(other.requests.isEmpty)
  }

  @Test(arguments: [
    "", "null", "[]", "{}", "{\"choices\":{}}", "{\"choices\":[1]}", "{\"choices\":[{}]}",
    "{\"choices\":[{\"message\":null}]}", "{\"choices\":[{\"message\":{}}", "\u{FEFF}{}", "NaN",
  ])
  func nonsenseIsMalformed(_ body: String) async throws {
    let server = try MockServer { _, _ in [.reply(200, Array(body.utf8))] }
    defer { server.stop() }
    let error = try await reason(server, limits: Scene.limits(retries: 3))
    guard case .malformed = error.reason else {
      Issue.record("\(body): \(error)")
      return
    }
    #expect(server.requests.count == 1)
  }

  @Test func emptyMessagesAreAnswersWithoutAPlace() async throws {
    let server = try MockServer { _, _ in [.json(["choices": [["message": ["content": nil]]]])] }
    defer { server.stop() }
    let sample = try await Scene.policy(server).sample(Scene.request, count: 1, options: .greedy)[0]
    #expect(sample.point == nil && sample.text == "")
  }

  @Test func cancellingEndsARequestAtOnce() async throws {
    let (arrived, signal) = AsyncStream<Void>.makeStream()
    let server = try MockServer { _, _ in
      signal.yield()
      return [.wait(seconds: 600)]
    }
    defer { server.stop() }
    let policy = try Scene.policy(server, limits: Scene.limits(total: 60))
    let task = Task {
      try await policy.sample(Scene.request, count: 1, options: .greedy)
    }
    for await _ in arrived { break }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  @Test func cancellingEndsWhoWaitsForATurn() async throws {
    let (arrived, signal) = AsyncStream<Void>.makeStream()
    let server = try MockServer { _, _ in
      signal.yield()
      return [.wait(seconds: 600)]
    }
    defer { server.stop() }
    let limits = Scene.limits(total: 60, concurrent: 1)
    let policy = try Scene.policy(server, choices: .single, limits: limits)
    let task = Task {
      try await policy.sample(Scene.request, count: 5, options: GroundingSampling())
    }
    for await _ in arrived { break }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(server.requests.count == 1)
  }

  @Test func retryAfterIsKeptWithinItsLimit() async throws {
    let server = try MockServer { _, number in
      let headers = [
        ["Retry-After": "3"], ["Retry-After": "9999"],
        [
          "Retry-After": "Sun, 06 Nov 1994 08:49:47 GMT", "Date": "Sun, 06 Nov 1994 08:49:37 GMT",
        ],
        ["Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"],
      ]
      guard number < 4 else { return [.answers(["(1, 1)"])] }
      return [.json(["error": "busy"], status: 429, headers: headers[number])]
    }
    defer { server.stop() }
    let pauses = Mutex<[Double]>([])
    // A request that a starved machine lets wait for a minute would be one more attempt.
    let limits = Scene.limits(total: 600)
    let told = Mutex<[ChatRetry]>([])
    let policy = try Scene.policy(
      server,
      limits: limits,
      pause: { seconds in pauses.withLock { $0.append(seconds) } },
      willRetry: { retry in told.withLock { $0.append(retry) } }
    )
    _ = try await policy.sample(Scene.request, count: 1, options: .greedy)
    #expect(pauses.withLock { $0 } == [3, 60, 10, 0])
    let retries = told.withLock { $0 }
    #expect(retries.map(\.pause) == [3, 60, 10, 0] && retries.map(\.attempts) == [1, 2, 3, 4])
    #expect(retries[1].description.hasSuffix("attempt 3 of \(limits.retries.limit + 1) in 60 s"))
    #expect(retries[1].description.contains("too many requests (429): busy"))
  }
}
