import Checkpoints
import Federated
import Foundation
import Tensor
import TestSupport
import Testing

@testable import FederatedService

@Suite struct CoordinatorTests {
  @Test(.timeLimit(.minutes(10))) func aFederationLearns() async throws {
    let task = try SampleFederation.task()
    var configuration = SampleFederation.configuration()
    configuration.planning = .fixed([.full, .slice(Rate(1, of: 2))])
    let events = Recorder<CoordinatorEvent>()
    let coordinator = try FederatedCoordinator(
      task,
      configuration,
      admission: .open(token: nil),
      log: { events.add($0) }
    )
    let transport = InProcessTransport(coordinator)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await SampleFederation.rounds(of: coordinator) }
      for index in 0..<4 {
        let device = try SampleFederation.device(index, of: 4, task, transport)
        group.addTask { try await device.run() }
      }
      try await group.waitForAll()
    }
    let reports = coordinator.reports
    #expect(reports.map(\.round) == [0, 1, 2, 3])
    #expect(reports.allSatisfy { $0.reported == 4 && $0.rejections.isEmpty })
    #expect(reports.last?.participation == ["gateway": 2, "phone": 2])
    #expect(try #require(reports.last?.evaluation?.accuracy) > 0.9)
    #expect(reports.allSatisfy { $0.uplinkBytes > 0 && $0.downlinkBytes > 0 })
    #expect(coordinator.status.phase == .idle)
    let finished = events.values.filter { if case .finished = $0 { true } else { false } }
    #expect(finished.count == 4)
  }

  /// The mean of one round, entry by entry, against sums by hand.
  @Test(.timeLimit(.minutes(10))) func resultsAreAveragedByExamples() async throws {
    let task = try SampleFederation.task()
    let configuration = SampleFederation.configuration(rounds: 1, devices: 2)
    let coordinator = try FederatedCoordinator(task, configuration, admission: .open(token: nil))
    let before = coordinator.model
    let stop = Flag()
    let rounds = Task { try await SampleFederation.rounds(of: coordinator, until: stop) }
    var devices = (0..<2).map { HandDevice(name: "d\($0)", coordinator: coordinator) }
    devices[1].exampleCount = 20
    for device in devices { try await device.register() }
    for (device, value) in zip(devices, [Float(0.5), -0.25]) {
      let task = try await device.task()
      let local = try await device.model(of: task)
      #expect(local.parameters == before)
      let answer = try await device.send(try device.result(of: task, local, value: value), of: task)
      #expect(answer.status == 200)
    }
    while coordinator.reports.isEmpty { try await Task.sleep(for: .milliseconds(20)) }
    stop.set()
    try await rounds.value
    let mean: Float = (60 * 0.5 - 20 * 0.25) / 80
    for (name, tensor) in coordinator.model.entries {
      let start = try #require(before[name])
      expectClose(tensor.elements, start.elements.map { $0 + mean }, absolute: 1e-6)
    }
  }

  /// A coordinator that is killed in a round begins it again; no round is missing or counted twice.
  @Test(.timeLimit(.minutes(10))) func aRestartLosesNoRound() async throws {
    let folder = try TemporaryFolder()
    let task = try SampleFederation.task()
    let configuration = SampleFederation.configuration(rounds: 6)
    let identities = (0..<4).map { _ in DeviceIdentity() }
    // The first life: after two rounds the state in memory is lost with the process.
    var first: FederatedCoordinator? = try FederatedCoordinator(
      task,
      configuration,
      folder: folder.path,
      admission: .open(token: nil)
    )
    let current = SwappingTransport(first)
    let stop = Flag()
    let firstRounds = rounds(of: try #require(first), until: stop)
    let devices = try (0..<4).map {
      try SampleFederation.device($0, of: 4, task, current, identity: identities[$0])
    }
    let running = devices.map { device in Task { try await device.run() } }
    while (first?.reports.count ?? 2) < 2 { try await Task.sleep(for: .milliseconds(5)) }
    current.target = nil
    stop.set()
    try await firstRounds.value
    let before = try #require(first?.reports.count)
    first = nil
    // The second life finds devices and rounds in the folder.
    let events = Recorder<CoordinatorEvent>()
    let second = try await SampleFederation.restarted {
      try FederatedCoordinator(
        task,
        configuration,
        folder: folder.path,
        admission: .open(token: nil),
        log: { events.add($0) }
      )
    }
    #expect(second.status.registered == 4)
    #expect(second.reports.count >= 2 && second.reports.count <= before)
    current.target = second
    try await SampleFederation.rounds(of: second)
    for run in running { try await run.value }
    #expect(second.reports.map(\.round) == [0, 1, 2, 3, 4, 5])
    #expect(second.status.modelVersion == 6)
    #expect(try #require(second.reports.last?.evaluation?.accuracy) > 0.9)
  }

  private func rounds(
    of coordinator: FederatedCoordinator,
    until stop: Flag
  ) -> Task<Void, any Error> {
    Task { try await SampleFederation.rounds(of: coordinator, until: stop) }
  }

  /// A device that vanishes loses its task when its lease ends; the round goes on without it.
  @Test(.timeLimit(.minutes(10))) func lostDevicesDoNotStopRounds() async throws {
    let task = try SampleFederation.task()
    var configuration = SampleFederation.configuration(rounds: 2, devices: 3)
    configuration.rounds.heartbeatSeconds = 0.3
    configuration.rounds.mostAttempts = 10_000
    let events = Recorder<CoordinatorEvent>()
    let coordinator = try FederatedCoordinator(
      task,
      configuration,
      admission: .open(token: nil),
      log: { events.add($0) }
    )
    let ghost = HandDevice(name: "ghost", coordinator: coordinator)
    try await ghost.register()
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
      _ = try await ghost.task()
      try await group.waitForAll()
    }
    #expect(coordinator.reports.count == 2)
    #expect(coordinator.reports[0].lost >= 1)
    #expect(
      events.values.contains { event in
        if case .lost(let devices, _) = event { devices.contains("ghost") } else { false }
      }
    )
  }

  @Test func wrongSettingsAreRefused() throws {
    let task = try SampleFederation.task()
    var configuration = SampleFederation.configuration()
    configuration.planning = .planned
    #expect(throws: ServiceError.self) {
      try FederatedCoordinator(task, configuration, admission: .open(token: nil))
    }
    let changes: [(inout CoordinatorConfiguration) -> Void] = [
      { $0.deviceCount = 1 }, { $0.exampleLimit = 0 }, { $0.exampleFactor = 0.5 },
      { $0.exampleFactor = .nan }, { $0.updateNormLimit = 0 }, { $0.noticeSeconds = 0 },
    ]
    for change in changes {
      configuration = SampleFederation.configuration()
      change(&configuration)
      #expect(throws: ServiceError.self) {
        try FederatedCoordinator(task, configuration, admission: .open(token: nil))
      }
    }
  }

  /// What watches a server asks with HEAD, and gets what GET gives but the body.
  @Test func healthIsToldToHeadToo() async throws {
    let coordinator = try FederatedCoordinator(
      try SampleFederation.task(),
      SampleFederation.configuration(),
      admission: .open(token: nil)
    )
    for path in ["/healthz", "/v1/status"] {
      let get = await coordinator.handle(ServiceRequest(method: "GET", path: path))
      let head = await coordinator.handle(ServiceRequest(method: "HEAD", path: path))
      #expect(get.status == 200 && !get.body.isEmpty)
      #expect(head.status == 200 && head.body.isEmpty)
      #expect(head.contentType == get.contentType)
      #expect(head.headers["content-length"] == "\(get.body.count)")
    }
    let none = await coordinator.handle(ServiceRequest(method: "HEAD", path: "/v1/task"))
    #expect(none.status == 404 && none.body.isEmpty)
  }
}
