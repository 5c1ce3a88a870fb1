import Checkpoints
import Foundation
import Tensor
import Testing
import TestSupport

@testable import FederatedFlower

/// Nodes in a federation of Flower itself.
@Suite(
  .serialized,
  .timeLimit(.minutes(10)),
  .enabled(if: SuperLink.isThere, SuperLink.skipMessage)
)
struct SuperLinkTests {
  /// Half of the way to a device's own optimum, in the entries that the device trains.
  private static func trained(_ global: [Float], toward target: Float, from first: Int) -> [Float] {
    global.enumerated().map { $0 < first ? $1 : $1 + 0.5 * (target - $1) }
  }

  private func handlers(
    target: Float,
    from first: Int,
    count: Int,
    before: @escaping @Sendable () -> Void = {}
  ) -> FlowerHandlers {
    FlowerHandlers(
      train: { request in
        before()
        let arrays = try #require(request.content.arrays)
        let trained = try arrays.map { pair in
          let values = try pair.value.floats().elements
          return (pair.name, floats(Self.trained(values, toward: target, from: first)))
        }
        return .trained(
          arrays: NamedValues(trained),
          metrics: ["loss": .double(Double(target))],
          exampleCount: count
        )
      },
      evaluate: { _ in .evaluated(metrics: ["hits": .double(Double(count))], exampleCount: count) }
    )
  }

  private func configuration(
    _ journal: String? = nil,
    _ admission: FlowerNodeConfiguration.Admission = .open
  ) -> FlowerNodeConfiguration {
    var configuration = FlowerNodeConfiguration(admission: admission, journal: journal)
    configuration.pollInterval = .milliseconds(300)
    configuration.longestPollInterval = .seconds(1)
    return configuration
  }

  /// One node trains all entries, the other the later half; it dies in round 2 and comes back.
  ///
  /// It sends the other half as it came: a compressed model in full shape.
  @Test func aStockStrategyFinishesThoughANodeDies() async throws {
    try await withTemporaryFolder { folder in
      try await SuperLink.run(in: folder) { link in
        let steady = FlowerNode(
          identity: FlowerIdentity(),
          transport: try HTTPFlowerTransport(address: link.address),
          configuration: configuration(),
          handlers: handlers(target: 1, from: 0, count: 10)
        )
        let first = Task { try await steady.run() }
        let second = Task { try await mortal(link, folder) }
        let start = floats([0, 2, -4, 8])
        let (arrays, report) = try await link.rounds(3, strategy: "stock", model: [("w", start)])
        await steady.stop()
        try await first.value
        try await second.value

        var expected = try start.floats().elements
        for _ in 0..<3 {
          let one = Self.trained(expected, toward: 1, from: 0)
          let two = Self.trained(expected, toward: -3, from: 2)
          expected = zip(one, two).map { ($0 * 10 + $1 * 30) / 40 }
        }
        let found = try #require(arrays.first).floats().elements
        expectClose(found, expected)
        #expect(report["train"]?.objectValue?.count == 3)
        for round in ["1", "2", "3"] {
          let loss = report["train"]?[round]?["loss"]?.doubleValue
          #expect(loss == Double(1 * 10 - 3 * 30) / 40)
        }
        #expect(report["evaluate"]?["3"]?["hits"]?.doubleValue == Double(10 * 10 + 30 * 30) / 40)
      }
    }
  }

  /// A node that dies in its second training, and its successor with the same key and journal.
  private func mortal(_ link: SuperLink, _ folder: String) async throws {
    let key = folder + "/node.pem"
    let settings = configuration(folder + "/journal")
    let transport = DyingTransport(try HTTPFlowerTransport(address: link.address), at: "never")
    let count = Counter()
    let victim = FlowerNode(
      identity: try .loadOrCreate(path: key),
      transport: transport,
      configuration: settings,
      handlers: handlers(target: -3, from: 2, count: 30) {
        if count.add() == 2 { transport.die() }
      }
    )
    let (gate, open) = AsyncStream<Void>.makeStream()
    let life = Task {
      for await _ in gate { break }
      try await victim.run()
    }
    transport.atDeath { life.cancel() }
    open.yield()
    await #expect(throws: FlowerError.cancelled) { try await life.value }
    #expect(FileManager.default.fileExists(atPath: settings.journal ?? ""))

    let recorder = Recorder()
    let successor = FlowerNode(
      identity: try .loadOrCreate(path: key),
      transport: try HTTPFlowerTransport(address: link.address),
      configuration: settings,
      handlers: handlers(target: -3, from: 2, count: 30),
      log: { recorder.add($0) }
    )
    let run = Task { try await successor.run() }
    // Round 2 anew, round 3, and the evaluations of both.
    try await recorder.wait { events in
      events.count { if case .replied = $0 { true } else { false } } >= 4
    }
    await successor.stop()
    try await run.value
    #expect(recorder.events.contains { if case .resuming = $0 { true } else { false } })
  }

  private func expectClose(_ found: [Float], _ expected: [Float]) {
    #expect(found.count == expected.count)
    for (found, expected) in zip(found, expected) {
      #expect(abs(found - expected) < 1e-5, "\(found) \(expected)")
    }
  }

  /// Local models of different widths, over TLS, with keys that the operator registered.
  @Test func devicesTrainSlicesThatFitTheirMemory() async throws {
    try await withTemporaryFolder { folder in
      try await SuperLink.run(in: folder, security: .authenticated) { link in
        try await expectStrangersAreRefused(link)
        // The global model has 4·3 + 4 + 2·4 = 24 entries, at rate 1/4 it has 3 + 1 + 2.
        let large = try await sliced(link, memory: 1000, step: 1, count: 10)
        let small = try await sliced(link, memory: 64, step: 4, count: 30)
        let tasks = [large, small].map { node in Task { try await node.run() } }
        let model = [
          ("first.weight", FlowerArray(type: .float32, shape: [4, 3], bytes: zeros(12))),
          ("first.bias", FlowerArray(type: .float32, shape: [4], bytes: zeros(4))),
          ("last.weight", FlowerArray(type: .float32, shape: [2, 4], bytes: zeros(8))),
        ]
        let layout =
          "{\"first.weight\": [\"h\", null], \"first.bias\": [\"h\"], "
          + "\"last.weight\": [null, \"h\"]}"
        let (arrays, report) = try await link.rounds(
          2,
          strategy: "sliced",
          model: model,
          layout: layout
        )
        for node in [large, small] { await node.stop() }
        for task in tasks { try await task.value }

        // Neuron 0 is held by both: (10 · 1 + 30 · 4) / 40 a round; the others by one: 1 a round.
        let both: Float = 2 * 3.25
        let one: Float = 2
        expectClose(
          try arrays[0].floats().elements,
          [both, both, both] + [Float](repeating: one, count: 9)
        )
        expectClose(try arrays[1].floats().elements, [both, one, one, one])
        expectClose(
          try arrays[2].floats().elements,
          [both, one, one, one, both, one, one, one]
        )
        let rates = report["plans"]?.arrayValue?.compactMap { $0["rate"]?[1]?.intValue }
        #expect(rates?.sorted() == [1, 1, 4, 4])
      }
    }
  }

  private func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: 4 * count) }

  private func sliced(
    _ link: SuperLink,
    memory: Int,
    step: Float,
    count: Int
  ) async throws -> FlowerNode {
    let identity = FlowerIdentity()
    try await link.register(identity)
    var handlers = FlowerHandlers(train: { request in
      #expect(request.content.settings["slicing"]?.string == "static")
      let arrays = try #require(request.content.arrays)
      let trained = try arrays.map { pair in
        let values = try pair.value.floats().elements.map { $0 + step }
        let bytes = values.withUnsafeBytes { Array($0) }
        return (pair.name, FlowerArray(type: .float32, shape: pair.value.shape, bytes: bytes))
      }
      return .trained(arrays: NamedValues(trained), exampleCount: count)
    })
    handlers["query"] = { _ in ["profile": .metrics(["memory-bytes": .integer(Int64(memory))])] }
    handlers["evaluate"] = { _ in .evaluated(metrics: [:], exampleCount: count) }
    return FlowerNode(
      identity: identity,
      transport: try HTTPFlowerTransport(address: link.address, authority: link.authority),
      configuration: configuration(nil, .registered),
      handlers: handlers
    )
  }

  private func expectStrangersAreRefused(_ link: SuperLink) async throws {
    func run(
      _ authority: String?,
      _ admission: FlowerNodeConfiguration.Admission
    ) async -> FlowerError? {
      await #expect(throws: FlowerError.self) {
        let transport = try HTTPFlowerTransport(address: link.address, authority: authority)
        try await FlowerNode(
          identity: FlowerIdentity(),
          transport: transport,
          configuration: configuration(nil, admission),
          handlers: FlowerHandlers()
        ).run()
      }
    }
    // The system does not know the authority, the server does not know the key, and nodes do not
    // register themselves here.
    guard case .unreachable("register-node", let reason) = await run(nil, .open) else {
      Issue.record("a certificate of an unknown authority was trusted")
      return
    }
    #expect(reason.contains("CERTIFICATE_VERIFY_FAILED"))
    guard case .refused("register-node", 412, 2001, _) = await run(link.authority, .open) else {
      Issue.record("a node registered itself")
      return
    }
    guard case .refused("activate-node", 412, 2004, _) = await run(link.authority, .registered)
    else {
      Issue.record("an unknown node was activated")
      return
    }
  }
}
