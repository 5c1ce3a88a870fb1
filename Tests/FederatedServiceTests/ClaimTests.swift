import Federated
import Foundation
import Tensor
import TestSupport
import Testing

@testable import FederatedService

/// What devices claim is believed up to limits, and a server that waits says for what.
@Suite(.timeLimit(.minutes(10))) struct ClaimTests {
  private typealias Setting = (inout CoordinatorConfiguration) -> Void

  /// Hands a running coordinator and its log to `body`; devices by hand are registered.
  private func withServer(
    _ devices: [(name: String, change: (inout HandDevice) -> Void)],
    _ set: Setting,
    _ body: (FederatedCoordinator, [HandDevice], Recorder<CoordinatorEvent>) async throws -> Void
  ) async throws {
    var configuration = SampleFederation.configuration(rounds: 2, devices: devices.count)
    set(&configuration)
    let events = Recorder<CoordinatorEvent>()
    let coordinator = try FederatedCoordinator(
      try SampleFederation.task(),
      configuration,
      admission: .open(token: nil),
      log: { events.add($0) }
    )
    let hands = devices.map { device in
      var hand = HandDevice(name: device.name, coordinator: coordinator)
      device.change(&hand)
      return hand
    }
    let stop = Flag()
    let rounds = Task { try await SampleFederation.rounds(of: coordinator, until: stop) }
    let result: Result<Void, any Error>
    do {
      for hand in hands { #expect(try await hand.register().status == 200) }
      result = .success(try await body(coordinator, hands, events))
    } catch { result = .failure(error) }
    stop.set()
    try await rounds.value
    try result.get()
  }

  private func clipped(_ events: Recorder<CoordinatorEvent>) -> [String] {
    events.values.compactMap { event in
      if case .clipped(let device, let count, let limit) = event {
        "\(device): \(count), \(limit)"
      } else {
        nil
      }
    }
  }

  @Test func examplesCountUpToALimit() async throws {
    let devices: [(String, (inout HandDevice) -> Void)] = [
      ("small", { $0.exampleCount = 60 }), ("liar", { $0.exampleCount = 1_000_000_000 }),
    ]
    func set(_ configuration: inout CoordinatorConfiguration) {
      configuration.exampleLimit = 120
      configuration.rounds.reassignsLostTasks = false
    }
    try await withServer(devices, set) { coordinator, devices, events in
      let before = coordinator.model
      for (var device, value) in zip(devices, [Float(0.5), -0.25]) {
        let task = try await device.task()
        #expect(task.exampleCount == min(device.exampleCount, 120))
        device.exampleCount = task.exampleCount
        let body = try device.result(of: task, try await device.model(of: task), value: value)
        #expect(try await device.send(body, of: task).status == 200)
      }
      while coordinator.reports.isEmpty { try await Task.sleep(for: .milliseconds(10)) }
      // (60 · 0.5 − 120 · 0.25) / 180 = 0
      for (name, tensor) in coordinator.model.entries {
        expectClose(tensor.elements, try #require(before[name]).elements, absolute: 1e-6)
      }
      #expect(clipped(events) == ["liar: 1000000000, 120"])
    }
    try await withServer(devices, set) { _, devices, _ in
      let liar = devices[1]
      let task = try await liar.task()
      let body = try liar.result(of: task, try await liar.model(of: task))
      #expect(try await liar.send(body, of: task).code == "invalid_update")
    }
  }

  /// Devices of this build say no more than counts, so their results are taken.
  @Test func largeDevicesTakePartWithLess() async throws {
    let task = try SampleFederation.task()
    var configuration = SampleFederation.configuration(rounds: 2, devices: 2)
    configuration.exampleLimit = 50
    let events = Recorder<CoordinatorEvent>()
    let coordinator = try FederatedCoordinator(
      task,
      configuration,
      admission: .open(token: nil),
      log: { events.add($0) }
    )
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await SampleFederation.rounds(of: coordinator) }
      for index in 0..<2 {
        let device = try SampleFederation.device(
          index,
          of: 2,
          task,
          InProcessTransport(coordinator)
        )
        group.addTask { try await device.run() }
      }
      try await group.waitForAll()
    }
    #expect(coordinator.reports.map(\.reported) == [2, 2])
    #expect(coordinator.reports.allSatisfy { $0.rejections.isEmpty })
    // Once for each device, not for each round.
    #expect(clipped(events).sorted() == ["device-0: 120, 50", "device-1: 120, 50"])
  }

  @Test func examplesCountUpToAMultipleOfTheMedian() async throws {
    let devices: [(String, (inout HandDevice) -> Void)] = [
      ("small", { $0.exampleCount = 10 }), ("middle", { $0.exampleCount = 60 }),
      ("liar", { $0.exampleCount = 1_000_000_000 }),
    ]
    try await withServer(devices, { $0.exampleFactor = 2 }) { _, devices, events in
      var counts: [Int] = []
      for device in devices { counts.append(try await device.task().exampleCount) }
      #expect(counts == [10, 60, 120])
      #expect(clipped(events) == ["liar: 1000000000, 120"])
    }
  }

  /// The limit of norms holds from the first result on, where the one by the median knows none yet.
  @Test func updatesAboveTheNormAreRefusedFromTheStart() async throws {
    let devices: [(String, (inout HandDevice) -> Void)] = [("a", { _ in }), ("b", { _ in })]
    func set(_ configuration: inout CoordinatorConfiguration) {
      configuration.updateNormLimit = 1
      configuration.rounds.reassignsLostTasks = false
    }
    try await withServer(devices, set) { coordinator, devices, _ in
      let root = Float(coordinator.model.scalarCount).squareRoot()
      var codes: [String] = []
      for (device, norm) in zip(devices, [Float(0.9), 1.1]) {
        let task = try await device.task()
        let local = try await device.model(of: task)
        let body = try device.result(of: task, local, value: norm / root)
        codes.append(try await device.send(body, of: task).code)
      }
      #expect(codes == ["", "invalid_update"])
    }
  }

  /// Plans by profile that fit no device: the log says why, once for each device, and that the round waits.
  @Test func aServerWithoutPlansSaysWhy() async throws {
    let small: (inout HandDevice) -> Void = { $0.profile.memoryBytes = 1024 }
    let devices = [("a", small), ("b", { $0.profile.hasFloat = false })]
    func set(_ configuration: inout CoordinatorConfiguration) {
      configuration.planning = .planned
      configuration.rounds.deadline = 100_000
      configuration.noticeSeconds = 0.2
    }
    try await withServer(devices, set) { _, devices, events in
      func waits() -> [(Int, Int?, Int)] {
        events.values.compactMap { event in
          if case .waiting(_, let available, let eligible, let needed) = event {
            (available, eligible, needed)
          } else {
            nil
          }
        }
      }
      while !waits().contains(where: { $0.1 != nil }) {
        try await Task.sleep(for: .milliseconds(20))
      }
      let last = try #require(waits().last { $0.1 != nil })
      #expect(last == (2, 0, 2))
      // Plans were made more than once by now.
      let reasons = events.values.compactMap { event in
        if case .unplanned(let device, let reason) = event { "\(device): \(reason)" } else { nil }
      }
      #expect(reasons.count == 2)
      #expect(reasons.contains { $0.hasPrefix("a: no plan fits: at least ") })
      #expect(reasons.contains("b: it has no floating-point arithmetic"))
      _ = devices
    }
  }

  /// A server to which too few devices come says so, too.
  @Test func aServerWithoutDevicesSaysSo() async throws {
    let alone: [(String, (inout HandDevice) -> Void)] = [("a", { _ in })]
    func set(_ configuration: inout CoordinatorConfiguration) {
      configuration.deviceCount = 2
      configuration.noticeSeconds = 0.1
    }
    try await withServer(alone, set) { _, _, events in
      func isSaid() -> Bool {
        events.values.contains { event in
          if case .waiting(_, 1, nil, 2) = event { true } else { false }
        }
      }
      while !isSaid() { try await Task.sleep(for: .milliseconds(20)) }
    }
  }
}
