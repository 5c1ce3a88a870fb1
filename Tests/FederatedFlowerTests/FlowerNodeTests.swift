import Foundation
import TestSupport
import Testing

@testable import FederatedFlower

/// A node against a server that keeps the rules in memory.
@Suite(.timeLimit(.minutes(10))) struct FlowerNodeTests {
  @Test func everyMessageGetsItsReply() async throws {
    let server = FakeSuperLink()
    let train = try await server.post("train", ["arrays": .arrays(["w": array([1, 2])])])
    try await server.post("evaluate", ["arrays": .arrays(["w": array([3])])])
    try await server.post("query", ["config": .settings(["what": "profile"])])
    let bench = Bench(server)
    try await bench.run(untilReplies: 3)

    let replies = await server.replies
    #expect(replies[0] == .content(.trained(arrays: ["w": array([2, 3])], exampleCount: 7)))
    #expect(
      replies[1] == .content(.evaluated(metrics: ["loss": 0.25], exampleCount: 9))
    )
    #expect(replies[2] == .content(["profile": .settings(["what": "profile", "rate": 0.5])]))
    let metadata = try #require(await server.replyMetadata.first)
    #expect(metadata.replyToMessageID == train.messageID)
    #expect(metadata.srcNodeID == 1000)
    #expect(metadata.dstTaskID == 5 && !metadata.hasSrcTaskID)
    #expect(metadata.groupID == "1" && metadata.messageType == "train")
    #expect(abs(metadata.createdAt + metadata.ttl - train.createdAt - train.ttl) < 1e-3)
    let calls = await server.calls
    #expect(calls.prefix(4) == ["register-node", "activate-node", "pull-messages", "get-run"])
    #expect(calls.suffix(2) == ["deactivate-node", "unregister-node"])
    #expect(calls.count { $0 == "get-run" } < 4 + 10)
  }

  @Test func failuresOfHandlersTravelToTheStrategy() async throws {
    let server = FakeSuperLink()
    try await server.post("train", ["config": .settings([:])])
    try await server.post("evaluate", ["config": .settings([:])])
    try await server.post("train.personal", ["config": .settings([:])])
    try await server.post("query", ["config": .settings([:])])
    struct Broken: Error, CustomStringConvertible { let description = "no data on this device" }
    var handlers = FlowerHandlers(
      train: { _ in throw Broken() },
      evaluate: { _ in throw FlowerFailure(.preconditionFailed, "later") }
    )
    handlers["query"] = { _ in ["m": .metrics(["text": "is no metric"])] }
    try await Bench(server, handlers: handlers).run(untilReplies: 4)
    let replies = await server.replies
    #expect(replies[0] == .failure(FlowerFailure(.applicationFailed, "no data on this device")))
    #expect(replies[1] == .failure(FlowerFailure(.preconditionFailed, "later")))
    guard case .failure(let missing) = replies[2], case .failure(let metric) = replies[3] else {
      Issue.record("replies without errors")
      return
    }
    #expect(missing.code == .preconditionFailed)
    #expect(missing.reason.contains("train.personal") && missing.reason.contains("evaluate"))
    #expect(metric.code == .applicationFailed && metric.reason.contains("text"))
  }

  @Test func interruptionsOfTheNetworkCostNoReply() async throws {
    let server = FakeSuperLink()
    for call in ["register-node", "activate-node", "pull-messages", "get-run", "pull-object"] {
      await server.fail(call, .lost, .status(503), .status(502), .status(504))
    }
    await server.fail("confirm-message-received", .lost, .answerLost)
    await server.fail("push-messages", .answerLost, .lost, .status(503))
    await server.fail("push-object", .lost, .answerLost, .answerLost)
    try await server.post("train", ["arrays": .arrays(["w": array([1, 2])])], late: 3)
    let bench = Bench(server)
    try await bench.run(untilReplies: 1)
    #expect(await server.replies.count == 1)
    #expect(bench.events.contains { if case .retrying = $0 { true } else { false } })
  }

  @Test(arguments: [-4000.0, 4000.0, 31_536_000.0])
  func aWrongClockIsSetOnce(ahead: Double) async throws {
    let server = FakeSuperLink(ahead: ahead)
    try await server.post("train", ["arrays": .arrays(["w": array([1])])])
    let bench = Bench(server)
    try await bench.run(untilReplies: 1)
    let adjustments = bench.events.compactMap {
      if case .clockAdjusted(let seconds) = $0 { seconds } else { nil }
    }
    #expect(adjustments.count == 1)
    #expect(abs((adjustments.first ?? 0) - ahead) < 3)
    #expect(await server.count("register-node") == 2)
  }

  @Test func registeredNodesDoNotRegisterThemselves() async throws {
    let server = FakeSuperLink(isOpen: false)
    let identity = FlowerIdentity()
    await server.register(identity)
    try await server.post("train", ["arrays": .arrays(["w": array([1])])])
    try await Bench(server, identity: identity, admission: .registered).run(untilReplies: 1)
    let calls = await server.calls
    #expect(calls.first == "activate-node" && calls.last == "deactivate-node")
    #expect(!calls.contains("register-node") && !calls.contains("unregister-node"))
  }

  @Test func nodesThatAreNotAdmittedSaySo() async throws {
    let closed = FakeSuperLink(isOpen: false)
    let refused = await #expect(throws: FlowerError.self) { try await Bench(closed).node.run() }
    guard case .refused("register-node", 412, 2001, "no") = refused else {
      Issue.record("\(String(describing: refused))")
      return
    }
    let unknown = await #expect(throws: FlowerError.self) {
      try await Bench(closed, admission: .registered).node.run()
    }
    guard case .refused("activate-node", 412, 2004, _) = unknown else {
      Issue.record("\(String(describing: unknown))")
      return
    }
    await closed.fail("activate-node", .status(404))
    await #expect(throws: FlowerError.noSuchCall("activate-node")) {
      try await Bench(closed, admission: .registered).node.run()
    }
    await closed.fail("activate-node", .garbage([0xFF, 0xFF, 0xFF]))
    await #expect(throws: FlowerError.self) {
      try await Bench(closed, admission: .registered).node.run()
    }
  }

  @Test func patienceEnds() async throws {
    let server = FakeSuperLink()
    for _ in 0..<200 { await server.fail("register-node", .lost) }
    let bench = Bench(server) { $0.retries.patience = .milliseconds(30) }
    let error = await #expect(throws: FlowerError.self) { try await bench.node.run() }
    #expect(error == .unreachable(call: "register-node", reason: "connection refused"))
  }

  @Test func aForgottenNodeActivatesAgain() async throws {
    let server = FakeSuperLink()
    await server.forget()
    let bench = Bench(server) { $0.heartbeatInterval = .milliseconds(5) }
    let task = Task { try await bench.node.run() }
    try await bench.wait { $0 == .reactivating }
    try await server.post("train", ["arrays": .arrays(["w": array([1])])])
    try await server.waitForReplies(1)
    await bench.node.stop()
    try await task.value
    #expect(await server.count("activate-node") == 2)
  }

  @Test func signsOfLifeGoOnWhileAHandlerComputes() async throws {
    let server = FakeSuperLink()
    let beats = Counter()
    let spy = SpyTransport(server) { call in
      if call == "send-node-heartbeat" { beats.add() }
    }
    try await server.post("train", ["config": .settings([:])])
    // The handler gives up its thread as little as a long product of matrices does.
    let handlers = FlowerHandlers(train: { _ in
      let end = Date() + 20
      while beats.value < 3, Date() < end { usleep(200) }
      return ["metrics": .metrics(["beats": .integer(Int64(beats.value))])]
    })
    let bench = Bench(server, transport: spy, handlers: handlers) {
      $0.heartbeatInterval = .milliseconds(5)
    }
    try await bench.run(untilReplies: 1)
    guard case .content(let content) = await server.replies.first,
      case .metrics(let metrics) = content["metrics"]
    else {
      Issue.record("no reply")
      return
    }
    #expect(metrics["beats"]?.int ?? 0 >= 3)
  }

  @Test func brokenMessagesAreAnsweredWithTheReason() async throws {
    let server = FakeSuperLink()
    try await server.post("train", ["arrays": .arrays(["w": array([1])])], corrupt: true)
    let large = FlowerArray(
      type: .uint8,
      shape: [100_000],
      bytes: [UInt8](repeating: 1, count: 100_000)
    )
    try await server.post("train", ["arrays": .arrays(["w": large])])
    let bench = Bench(server) { $0.limits.messageBytes = 50_000 }
    try await bench.run(untilReplies: 2)
    let failures = await server.replies.compactMap {
      if case .failure(let failure) = $0 { failure } else { nil }
    }
    #expect(failures.map(\.code) == [.messageUnavailable, .messageUnavailable])
    #expect(failures.first?.reason.contains("hash") == true)
    #expect(failures.last?.reason.contains("50000") == true)
  }

  @Test func workOfARunThatEndedIsDropped() async throws {
    let server = FakeSuperLink()
    await server.endRun()
    try await server.post("train", ["config": .settings([:])])
    let bench = Bench(server)
    let task = Task { try await bench.node.run() }
    try await bench.wait { if case .dropped = $0 { true } else { false } }
    await bench.node.stop()
    try await task.value
    #expect(await server.replies.isEmpty)
  }

  @Test func messagesWhoseTimeIsOverAreDropped() async throws {
    let server = FakeSuperLink()
    try await server.post("train", ["config": .settings([:])], ttl: -1)
    let bench = Bench(server)
    let task = Task { try await bench.node.run() }
    try await bench.wait { if case .dropped = $0 { true } else { false } }
    await bench.node.stop()
    try await task.value
    #expect(await server.count("push-messages") == 0)
  }

  @Test func aCancelledNodeLeaves() async throws {
    let server = FakeSuperLink()
    let bench = Bench(server) { $0.pollInterval = .seconds(100) }
    let task = Task { try await bench.node.run() }
    try await bench.wait { if case .activated = $0 { true } else { false } }
    task.cancel()
    await #expect(throws: FlowerError.cancelled) { try await task.value }
    #expect(await server.calls.suffix(2) == ["deactivate-node", "unregister-node"])
  }

  private func array(_ values: [Float]) -> FlowerArray { floats(values) }
}
