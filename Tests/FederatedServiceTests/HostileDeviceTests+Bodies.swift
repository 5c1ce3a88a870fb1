import Federated
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import FederatedService

/// What a request may bring is decided before its body is read.
extension HostileDeviceTests {
  /// The first device trains a quarter of the width, the second the whole model.
  private static var plans: [DevicePlan] { [.slice(Rate(1, of: 4)), .full] }

  /// Sends a request, and tells the limit that its body was read with; nil where it was not read.
  private func send(
    _ head: ServiceRequest,
    _ body: [UInt8],
    to scene: Scene
  ) async -> (answer: ServiceResponse, limit: Int?) {
    var limits: [Int] = []
    let answer = await scene.coordinator.handle(head) { limit in
      limits.append(limit)
      return Array(body.prefix(limit + 1))
    }
    #expect(limits.count <= 1)
    return (answer, limits.first)
  }

  /// The head of a signed request.
  private func head(
    _ device: HandDevice,
    _ path: String,
    of body: [UInt8]
  ) throws -> ServiceRequest {
    var head = try device.signed("POST", path, body)
    head.body = []
    return head
  }

  private func path(_ task: RoundTask) -> String { "/v1/tasks/\(task.id)/result" }

  @Test func bodiesAreLimitedByThePlanOfTheirDevice() async throws {
    try await withScene(try Scene(plans: Self.plans)) { scene in
      let task = try await scene.honest.task()
      let local = try await scene.honest.model(of: task)
      let size = 9 * local.parameters.scalarCount
      #expect(2 * local.parameters.scalarCount < scene.coordinator.model.scalarCount)
      let valid = try scene.honest.result(of: task, local)
      // Open, and then closed by a result: a duplicate may not be larger than the plan either.
      for outcome in [ResultAnswer.Outcome.accepted, .duplicate] {
        let large = [UInt8](repeating: 0, count: size + 100_000)
        let refused = await send(try head(scene.honest, path(task), of: large), large, to: scene)
        let limit = try #require(refused.limit)
        #expect(valid.count <= limit && limit < size + 20_000)
        expectCode("too_large", refused.answer, scene)
        // Nothing is read where the length is told beforehand.
        var announced = try head(scene.honest, path(task), of: large)
        announced.headers["content-length"] = "\(large.count)"
        let unread = await send(announced, large, to: scene)
        #expect(unread.limit == nil)
        expectCode("too_large", unread.answer, scene)

        let taken = await send(try head(scene.honest, path(task), of: valid), valid, to: scene)
        let found = try ServiceJSON.decoded(taken.answer.body, as: ResultAnswer.self).outcome
        #expect(found == outcome)
      }
      let call = [UInt8](repeating: 0x20, count: 20_000)
      expectCode("too_large", try await scene.honest.send("POST", "/v1/task", call), scene)
    }
  }

  @Test func bodiesOfStrangersAreNotRead() async throws {
    try await withScene(try Scene(plans: Self.plans)) { scene in
      let task = try await scene.honest.task()
      let other = try await scene.other.task()
      let body = try scene.honest.result(of: task, try await scene.honest.model(of: task))
      func expectUnread(_ code: String, _ head: ServiceRequest) async {
        let (answer, limit) = await send(head, body, to: scene)
        #expect(limit == nil, "read before '\(code)'")
        expectCode(code, answer, scene)
      }
      let stranger = HandDevice(name: "stranger", coordinator: scene.coordinator)
      await expectUnread("unknown_device", try head(stranger, path(task), of: body))
      var forger = scene.honest
      forger.identity = DeviceIdentity()
      await expectUnread("bad_signature", try head(forger, path(task), of: body))
      await expectUnread("foreign_task", try head(scene.honest, path(other), of: body))
      await expectUnread("unknown_task", try head(scene.honest, "/v1/tasks/99/result", of: body))
      var unsigned = try head(scene.honest, path(task), of: body)
      unsigned.headers["x-apus-digest"] = nil
      await expectUnread("malformed", unsigned)
      // One that was heard on its way, with another body.
      let heard = try head(scene.honest, path(task), of: body)
      #expect(await send(heard, body, to: scene).answer.status == 200)
      await expectUnread("replayed", heard)
      // Closed by its device; it is no other device's.
      await expectUnread("foreign_task", try head(scene.other, path(task), of: body))
    }
  }

  @Test func aDeviceBringsOneResultAtATime() async throws {
    try await withScene(try Scene(plans: Self.plans)) { scene in
      let task = try await scene.honest.task()
      let body = try scene.honest.result(of: task, try await scene.honest.model(of: task))
      let first = try head(scene.honest, path(task), of: body)
      let second = try head(scene.honest, path(task), of: body)
      let answer = await scene.coordinator.handle(first) { _ in
        let (answer, limit) = await send(second, body, to: scene)
        #expect(limit == nil)
        expectCode("too_many_requests", answer, scene)
        return body
      }
      #expect(answer.status == 200)
      // The place is free again, and was not lost by a connection that broke.
      struct Broken: Error {}
      let third = try head(scene.honest, path(task), of: body)
      await #expect(throws: Broken.self) {
        try await scene.coordinator.handle(third) { _ throws(Broken) in throw Broken() }
      }
      let last = try await scene.honest.send(body, of: task)
      #expect(try ServiceJSON.decoded(last.body, as: ResultAnswer.self).outcome == .duplicate)
    }
  }

  /// A device that is told so, because a lost connection holds its place, sends its result again.
  @Test func aResultThatFindsThePlaceTakenIsSentAgain() async throws {
    let task = try SampleFederation.task()
    let coordinator = try FederatedCoordinator(
      task,
      SampleFederation.configuration(rounds: 1, devices: 2),
      admission: .open(token: nil)
    )
    let transport = BusyTransport(InProcessTransport(coordinator))
    let events = Recorder<DeviceEvent>()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await SampleFederation.rounds(of: coordinator) }
      for index in 0..<2 {
        let device = try SampleFederation.device(
          index,
          of: 2,
          task,
          transport,
          log: { events.add($0) }
        )
        group.addTask { try await device.run() }
      }
      try await group.waitForAll()
    }
    #expect(transport.refusals.withLock { $0 } == BusyTransport.count)
    #expect(coordinator.reports.map(\.reported) == [2])
    #expect(!events.values.contains { if case .dropped = $0 { true } else { false } })
  }
}

/// A server that says of the first results that another one of the device is being read.
private final class BusyTransport: ServiceTransport {
  static let count = 3
  let refusals = Mutex(0)
  private let next: any ServiceTransport

  init(_ next: any ServiceTransport) { self.next = next }

  func send(
    _ request: ServiceRequest,
    timeout: Duration,
    limit: Int
  ) async throws(ServiceTransportFailure) -> ServiceResponse {
    let isRefused = refusals.withLock { refusals in
      guard request.path.hasSuffix("/result"), refusals < Self.count else { return false }
      refusals += 1
      return true
    }
    if isRefused { return ServiceResponse(ServiceRefusal.tooManyRequests(device: "d")) }
    return try await next.send(request, timeout: timeout, limit: limit)
  }
}
