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
    _ admission: FlowerNodeConfiguration.Admission = .open,
    count: Counter
  ) async {
    let transport = DyingTransport(server, at: fatal)
    let handlers = FlowerHandlers(train: { request in
      count.add()
      if fatal == "handler" { transport.die() }
      return try await Bench.train(request)
    })
    let bench = Bench(
      server,
      transport: transport,
      identity: identity,
      admission: admission,
      handlers: handlers
    ) {
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

  /// The server activates no node that it takes for active; the journal knows its number.
  @Test(arguments: [true, false])
  func aSuccessorWithinTheLeaseIsTheNodeThatItWas(isOpen: Bool) async throws {
    try await withTemporaryFolder { folder in
      let (server, identity) = (FakeSuperLink(isOpen: isOpen), FlowerIdentity())
      let admission = isOpen ? FlowerNodeConfiguration.Admission.open : .registered
      if !isOpen { await server.register(identity) }
      let journal = folder + "/journal"
      try await server.post("train", content)
      await runUntilDeath(at: "handler", server, identity, journal, admission, count: Counter())
      let bench = Bench(server, identity: identity, admission: admission) { $0.journal = journal }
      try await bench.run(untilReplies: 1)
      #expect(await server.count("activate-node") == 1)
      #expect(bench.events.contains(.activated(nodeID: 1000)))
      #expect(bench.events.contains(.resuming(type: "train", run: 77)))
      #expect(!bench.events.contains(.reactivating))
      #expect(await server.replyMetadata.map(\.srcNodeID) == [1000])
    }
  }

  /// One without a journal is active when the lease of its predecessor has ended, and not before.
  @Test(arguments: [true, false])
  func aSuccessorWithoutAJournalWaitsForTheLease(isOpen: Bool) async throws {
    try await withTemporaryFolder { folder in
      let (server, identity) = (FakeSuperLink(isOpen: isOpen), FlowerIdentity())
      let admission = isOpen ? FlowerNodeConfiguration.Admission.open : .registered
      if !isOpen { await server.register(identity) }
      let journal = folder + "/journal"
      try await server.post("train", content)
      await runUntilDeath(at: "handler", server, identity, journal, admission, count: Counter())
      try await server.post("evaluate", content)
      let bench = Bench(server, identity: identity, admission: admission) {
        $0.heartbeatInterval = .milliseconds(30)
      }
      let task = Task { try await bench.node.run() }
      try await bench.wait { $0 == .reactivating }
      #expect(!bench.events.contains { if case .activated = $0 { true } else { false } })
      await server.endLeases()
      try await server.waitForReplies(1)
      await bench.node.stop()
      try await task.value
      #expect(bench.events.contains(.activated(nodeID: 1000)))
      #expect(await server.replyMetadata.map(\.messageType) == ["evaluate"])
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
