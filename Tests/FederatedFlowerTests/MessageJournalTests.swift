import Foundation
import Synchronization
import TestSupport
import Testing

@testable import FederatedFlower

/// A node that dies at the worst moment, and the one that comes back under its key.
@Suite(.timeLimit(.minutes(10))) struct MessageJournalTests {
  private let content: FlowerContent = ["arrays": .arrays(["w": floats([1, 2])])]

  /// Runs a node that dies as soon as it makes a call, or when its handler is called.
  private func runUntilDeath(
    at fatal: String,
    _ server: FakeSuperLink,
    _ identity: FlowerIdentity,
    _ journal: String,
    count: Counter
  ) async {
    let transport = DyingTransport(server, at: fatal)
    let handlers = FlowerHandlers(train: { request in
      count.add()
      if fatal == "handler" { transport.die() }
      return try await Bench.train(request)
    })
    let bench = Bench(server, transport: transport, identity: identity, handlers: handlers) {
      $0.journal = journal
    }
    let (gate, open) = AsyncStream<Void>.makeStream()
    let task = Task {
      for await _ in gate { break }
      try await bench.node.run()
    }
    transport.atDeath { task.cancel() }
    open.yield()
    await #expect(throws: FlowerError.cancelled) { try await task.value }
  }

  @Test func workThatWasCutOffIsDoneAgain() async throws {
    try await withTemporaryFolder { folder in
      let (server, identity) = (FakeSuperLink(), FlowerIdentity())
      let journal = folder + "/journal"
      try await server.post("train", content)
      let count = Counter()
      await runUntilDeath(at: "handler", server, identity, journal, count: count)
      #expect(FileManager.default.fileExists(atPath: journal))
      let bench = Bench(server, identity: identity) { $0.journal = journal }
      try await bench.run(untilReplies: 1)
      #expect(
        await server.replies
          == [.content(.trained(arrays: ["w": floats([2, 3])], exampleCount: 7))]
      )
      #expect(bench.events.contains(.resuming(type: "train", run: 77)))
      #expect(!FileManager.default.fileExists(atPath: journal))
      #expect(await server.count("pull-object") == 5)
    }
  }

  @Test func workThatKillsTheNodeTwiceIsGivenUp() async throws {
    try await withTemporaryFolder { folder in
      let (server, identity) = (FakeSuperLink(), FlowerIdentity())
      let journal = folder + "/journal"
      try await server.post("train", content)
      let count = Counter()
      for _ in 0..<2 {
        await runUntilDeath(at: "handler", server, identity, journal, count: count)
      }
      let bench = Bench(server, identity: identity) { $0.journal = journal }
      try await bench.run(untilReplies: 1)
      guard case .failure(let failure) = await server.replies.first else {
        Issue.record("no error")
        return
      }
      #expect(failure.code == .applicationCrashed)
      #expect(count.value == 2)
    }
  }

  @Test(arguments: ["push-messages", "push-object"])
  func aFinishedReplyIsSentAndNotMadeAgain(fatal: String) async throws {
    try await withTemporaryFolder { folder in
      let (server, identity) = (FakeSuperLink(), FlowerIdentity())
      let journal = folder + "/journal"
      try await server.post("train", content)
      let count = Counter()
      await runUntilDeath(at: fatal, server, identity, journal, count: count)
      #expect(await server.replies.isEmpty)
      let handlers = FlowerHandlers(train: { _ in
        count.add()
        return [:]
      })
      let bench = Bench(server, identity: identity, handlers: handlers) { $0.journal = journal }
      try await bench.run(untilReplies: 1)
      #expect(
        await server.replies
          == [.content(.trained(arrays: ["w": floats([2, 3])], exampleCount: 7))]
      )
      #expect(count.value == 1)
    }
  }

  @Test func aBrokenJournalIsReportedAndSetAside() async throws {
    try await withTemporaryFolder { folder in
      let journal = folder + "/journal"
      try Data([0xFF, 1, 2, 3]).write(to: URL(fileURLWithPath: journal))
      let server = FakeSuperLink()
      try await server.post("train", content)
      let bench = Bench(server) { $0.journal = journal }
      try await bench.run(untilReplies: 1)
      #expect(bench.events.contains { if case .journalFailed = $0 { true } else { false } })
    }
  }

  @Test func aJournalOfAnotherNodeIsNotUsed() async throws {
    try await withTemporaryFolder { folder in
      let journal = folder + "/journal"
      let server = FakeSuperLink()
      try await server.post("train", content)
      let count = Counter()
      await runUntilDeath(at: "handler", server, FlowerIdentity(), journal, count: count)
      try await server.post("evaluate", content)
      let bench = Bench(server) { $0.journal = journal }
      try await bench.run(untilReplies: 1)
      #expect(!bench.events.contains { if case .resuming = $0 { true } else { false } })
    }
  }
}

/// A connection that is gone for good from one call on.
final class DyingTransport: FlowerTransport {
  private struct State {
    var isDead = false
    var atDeath: [@Sendable () -> Void] = []
  }

  private let next: any FlowerTransport
  private let fatal: String
  private let state = Mutex(State())

  init(_ next: any FlowerTransport, at fatal: String) {
    self.next = next
    self.fatal = fatal
  }

  func atDeath(_ body: @escaping @Sendable () -> Void) {
    let isDead = state.withLock { state in
      state.atDeath.append(body)
      return state.isDead
    }
    if isDead { body() }
  }

  func die() {
    let bodies = state.withLock { state in
      defer { state.isDead = true }
      return state.isDead ? [] : state.atDeath
    }
    for body in bodies { body() }
  }

  func send(
    _ request: FlowerTransportRequest,
    timeout: Duration
  ) async throws(FlowerTransportFailure) -> FlowerTransportAnswer {
    if request.call == fatal { die() }
    if state.withLock({ $0.isDead }) { throw FlowerTransportFailure(.cancelled, "dead") }
    return try await next.send(request, timeout: timeout)
  }
}
