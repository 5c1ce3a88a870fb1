import Foundation
import Synchronization
import Tensor
import Testing

@testable import FederatedFlower

/// Single-precision numbers as an array of one axis.
func floats(_ values: [Float]) -> FlowerArray {
  FlowerArray(
    type: .float32,
    shape: [values.count],
    bytes: values.withUnsafeBytes { Array($0) }
  )
}

/// A node, what it does, and what it reported.
final class Bench: Sendable {
  let node: FlowerNode
  private let server: FakeSuperLink
  private let recorder: Recorder

  init(
    _ server: FakeSuperLink,
    transport: (any FlowerTransport)? = nil,
    identity: FlowerIdentity = FlowerIdentity(),
    admission: FlowerNodeConfiguration.Admission = .open,
    handlers: FlowerHandlers = Bench.handlers,
    configure: (inout FlowerNodeConfiguration) -> Void = { _ in }
  ) {
    var configuration = FlowerNodeConfiguration(admission: admission)
    configuration.pollInterval = .milliseconds(2)
    configuration.longestPollInterval = .milliseconds(5)
    configuration.linger = .milliseconds(5)
    configuration.retries.firstWait = .milliseconds(1)
    configuration.retries.longestWait = .milliseconds(5)
    configuration.retries.patienceWhileStopping = .milliseconds(50)
    configuration.seed = 3
    configure(&configuration)
    self.server = server
    let recorder = Recorder()
    self.recorder = recorder
    node = FlowerNode(
      identity: identity,
      transport: transport ?? server,
      configuration: configuration,
      handlers: handlers,
      log: { recorder.add($0) }
    )
  }

  var events: [FlowerEvent] { recorder.events }

  /// Returns when the node reported an event that fits.
  func wait(for fits: (FlowerEvent) -> Bool) async throws {
    try await recorder.wait { $0.contains(where: fits) }
  }

  /// Runs the node until the server has that many replies, and stops it.
  func run(untilReplies count: Int) async throws {
    let task = Task { try await node.run() }
    try await server.waitForReplies(count)
    await node.stop()
    try await task.value
  }

  /// Adds one in training; answers a query with its settings and those of the run.
  static let handlers = FlowerHandlers(
    train: { try await train($0) },
    evaluate: { _ in .evaluated(metrics: ["loss": 0.25], exampleCount: 9) },
    query: { request in
      var settings = request.content.settings
      settings["rate"] = request.run.configuration["rate"]
      return ["profile": .settings(settings)]
    }
  )
}

extension Bench {
  static func train(_ request: FlowerRequest) async throws -> FlowerContent {
    let arrays = try #require(request.content.arrays)
    let trained = try arrays.map { pair in
      (pair.name, floats(try pair.value.floats().elements.map { $0 + 1 }))
    }
    return .trained(arrays: NamedValues(trained), exampleCount: 7)
  }
}

/// A number that several tasks raise.
final class Counter: Sendable {
  private let count = Mutex(0)

  var value: Int { count.withLock { $0 } }

  @discardableResult
  func add() -> Int {
    count.withLock { count in
      count += 1
      return count
    }
  }
}

/// Events as they come.
final class Recorder: Sendable {
  private let list = Mutex<[FlowerEvent]>([])

  var events: [FlowerEvent] { list.withLock { $0 } }

  func add(_ event: FlowerEvent) { list.withLock { $0.append(event) } }

  /// Returns when the events are what `fits` says.
  func wait(until fits: ([FlowerEvent]) -> Bool) async throws {
    while !fits(events) { try await Task.sleep(for: .milliseconds(1)) }
  }
}

/// Sees every call before it is made.
final class SpyTransport: FlowerTransport {
  private let next: any FlowerTransport
  private let see: @Sendable (String) -> Void

  init(_ next: any FlowerTransport, see: @escaping @Sendable (String) -> Void) {
    self.next = next
    self.see = see
  }

  func send(
    _ request: FlowerTransportRequest,
    timeout: Duration
  ) async throws(FlowerTransportFailure) -> FlowerTransportAnswer {
    see(request.call)
    return try await next.send(request, timeout: timeout)
  }
}
