import Federated
import Foundation
import Tensor
import TestSupport
import Testing

@testable import FederatedService

/// Whatever a device sends, it is told why it is refused, the log has a line, and rounds go on.
@Suite(.timeLimit(.minutes(10))) struct HostileDeviceTests {
  /// A coordinator whose first round is open, two devices in it, and its log.
  struct Scene {
    let coordinator: FederatedCoordinator
    let honest: HandDevice
    let other: HandDevice
    let events = Recorder<CoordinatorEvent>()
    let stop = Flag()

    init(plans: [DevicePlan] = [.full], tolerance: Double = 300) throws {
      var configuration = SampleFederation.configuration(rounds: 2, devices: 2)
      configuration.planning = .fixed(plans)
      configuration.clockTolerance = tolerance
      configuration.rounds.reassignsLostTasks = false
      let events = events
      coordinator = try FederatedCoordinator(
        try SampleFederation.task(),
        configuration,
        admission: .open(token: nil),
        log: { events.add($0) }
      )
      honest = HandDevice(name: "honest", coordinator: coordinator)
      other = HandDevice(name: "other", coordinator: coordinator)
    }

    var refusals: [String] {
      events.values.compactMap {
        if case .refused(_, let refusal) = $0 { refusal.code } else { nil }
      }
    }
  }

  func withScene(
    _ scene: Scene,
    _ body: (Scene) async throws -> Void
  ) async throws {
    let rounds = Task {
      try await SampleFederation.rounds(of: scene.coordinator, until: scene.stop)
    }
    try await scene.honest.register()
    try await scene.other.register()
    let result: Result<Void, any Error>
    do { result = .success(try await body(scene)) } catch { result = .failure(error) }
    scene.stop.set()
    try await rounds.value
    try result.get()
  }

  func expectCode(
    _ code: String,
    _ answer: ServiceResponse,
    _ scene: Scene,
    _ location: SourceLocation = #_sourceLocation
  ) {
    #expect(answer.code == code, sourceLocation: location)
    #expect(scene.refusals.contains(code), "no line in the log", sourceLocation: location)
  }

  @Test func strangersAndForgersAreRefused() async throws {
    try await withScene(try Scene()) { scene in
      let stranger = HandDevice(name: "stranger", coordinator: scene.coordinator)
      let call = ServiceJSON.encoded(TaskCall(waitSeconds: 0))
      expectCode("unknown_device", try await stranger.send("POST", "/v1/task", call), scene)
      var forger = scene.honest
      forger.identity = DeviceIdentity()
      expectCode("bad_signature", try await forger.send("POST", "/v1/task", call), scene)
      // The name of another device cannot be taken over.
      expectCode("not_admitted", try await forger.register(), scene)
      // A body, a path or a method that was changed on its way.
      var request = try scene.honest.signed("POST", "/v1/task", call)
      request.body.append(0x20)
      expectCode("bad_signature", await scene.coordinator.handle(request), scene)
      request = try scene.honest.signed("POST", "/v1/tasks/0/heartbeat")
      request.path = "/v1/tasks/1/heartbeat"
      expectCode("bad_signature", await scene.coordinator.handle(request), scene)
      request = try scene.honest.signed("POST", "/v1/task", call)
      request.headers["x-apus-signature"] = nil
      expectCode("malformed", await scene.coordinator.handle(request), scene)
    }
  }

  @Test func replaysAndWrongClocksAreRefused() async throws {
    try await withScene(try Scene()) { scene in
      let call = ServiceJSON.encoded(TaskCall(waitSeconds: 0))
      let request = try scene.honest.signed("POST", "/v1/task", call)
      #expect(await scene.coordinator.handle(request).status == 200)
      expectCode("replayed", await scene.coordinator.handle(request), scene)
      for seconds in [-301.0, 301] {
        var late = scene.honest
        late.time = { Date().timeIntervalSince1970 + seconds }
        let answer = try await late.send("POST", "/v1/task", call)
        expectCode("clock_skew", answer, scene)
        #expect(answer.headers["x-apus-time"] != nil)
      }
    }
  }

  /// A device whose clock is wrong by years takes the server's time and goes on.
  @Test func devicesTakeTheServersTime() async throws {
    let scene = try Scene()
    let events = Recorder<DeviceEvent>()
    let device = try SampleFederation.device(
      0,
      of: 1,
      try SampleFederation.task(),
      InProcessTransport(scene.coordinator),
      clock: { 86_400 },
      log: { events.add($0) }
    )
    let run = Task { try await device.run() }
    while scene.coordinator.status.registered == 0 { try await Task.sleep(for: .milliseconds(10)) }
    run.cancel()
    _ = try? await run.value
    #expect(events.values.contains { if case .clockAdjusted = $0 { true } else { false } })
  }

  @Test func wrongUpdatesAreRefused() async throws {
    typealias Body = (HandDevice, RoundTask, LocalModel) throws -> [UInt8]
    var wrong: [(code: String, body: Body)] = []
    func invalid(_ body: @escaping Body) { wrong.append(("invalid_update", body)) }
    invalid { device, task, local in try device.result(of: task, local, value: .nan) }
    invalid { device, task, local in
      try device.result(of: task, local) { $0.exampleCount = 10_000 }
    }
    invalid { device, task, local in try device.result(of: task, local) { $0.round += 1 } }
    invalid { device, task, local in try device.result(of: task, local) { $0.modelVersion += 1 } }
    invalid { device, task, local in try device.result(of: task, local) { $0.checksum ^= 1 } }
    invalid { device, task, _ in try device.result(of: task, LocalModelWireTests.model(.full)) }
    invalid { device, task, local in Array(try device.result(of: task, local).dropLast(9)) }
    wrong.append(("malformed", { _, _, _ in Array("no result at all".utf8) }))
    wrong.append(("malformed", { _, _, _ in [UInt8](repeating: 0x20, count: 3000) }))
    for (code, body) in wrong {
      try await withScene(try Scene()) { scene in
        let task = try await scene.honest.task()
        let local = try await scene.honest.model(of: task)
        let answer = try await scene.honest.send(try body(scene.honest, task, local), of: task)
        expectCode(code, answer, scene)
        #expect(scene.coordinator.status.reported == 0)
      }
    }
  }

  @Test func foreignAndUnknownTasksAreRefused() async throws {
    try await withScene(try Scene()) { scene in
      let task = try await scene.honest.task()
      _ = try await scene.other.task()
      let local = try await scene.honest.model(of: task)
      let body = try scene.honest.result(of: task, local)
      expectCode("foreign_task", try await scene.other.send(body, of: task), scene)
      let path = "/v1/tasks/\(task.id)"
      expectCode("foreign_task", try await scene.other.send("GET", path + "/model"), scene)
      expectCode("foreign_task", try await scene.other.send("POST", path + "/heartbeat"), scene)
      expectCode("unknown_task", try await scene.other.send("GET", "/v1/tasks/999/model"), scene)
      expectCode("not_found", try await scene.other.send("GET", "/v1/tasks/-1/model"), scene)
      expectCode("not_found", try await scene.other.send("DELETE", "/v1/task"), scene)
      expectCode("not_found", try await scene.other.send("GET", "/v1/../secrets"), scene)
    }
  }

  @Test func resultsAreIdempotent() async throws {
    try await withScene(try Scene()) { scene in
      let task = try await scene.honest.task()
      let local = try await scene.honest.model(of: task)
      let body = try scene.honest.result(of: task, local)
      let first = try await scene.honest.send(body, of: task)
      let second = try await scene.honest.send(body, of: task)
      #expect(try ServiceJSON.decoded(first.body, as: ResultAnswer.self).outcome == .accepted)
      #expect(try ServiceJSON.decoded(second.body, as: ResultAnswer.self).outcome == .duplicate)
      #expect(scene.coordinator.status.reported == 1)
      let another = try scene.honest.result(of: task, local, value: 0.02)
      expectCode("conflicting", try await scene.honest.send(another, of: task), scene)
      #expect(scene.coordinator.status.reported == 1)
    }
  }

  @Test func staleResultsAreDropped() async throws {
    var configuration = SampleFederation.configuration(rounds: 3, devices: 3)
    configuration.rounds.fraction = 0.5
    configuration.rounds.overSampling = 1.5
    let coordinator = try FederatedCoordinator(
      try SampleFederation.task(),
      configuration,
      admission: .open(token: nil)
    )
    let stop = Flag()
    let rounds = Task { try await SampleFederation.rounds(of: coordinator, until: stop) }
    let devices = (0..<3).map { HandDevice(name: "d\($0)", coordinator: coordinator) }
    for device in devices { try await device.register() }
    var bodies: [(HandDevice, RoundTask, [UInt8])] = []
    for device in devices {
      let task = try await device.task()
      bodies.append((device, task, try device.result(of: task, try await device.model(of: task))))
    }
    for (device, task, body) in bodies.prefix(2) {
      #expect(try await device.send(body, of: task).status == 200)
    }
    while coordinator.reports.isEmpty { try await Task.sleep(for: .milliseconds(10)) }
    let (device, task, body) = bodies[2]
    let answer = try await device.send(body, of: task)
    #expect(answer.code == "late")
    #expect(coordinator.status.modelVersion == 1)
    stop.set()
    try await rounds.value
  }

  @Test func registrationsAreChecked() async throws {
    try await withScene(try Scene()) { scene in
      let device = HandDevice(name: "new", coordinator: scene.coordinator)
      var changes: [(inout Registration) -> Void] = []
      changes.append { $0.exampleCount = 0 }
      changes.append { $0.publicKey = "AAAA" }
      changes.append { $0.profile.flopsPerSecond = -1 }
      changes.append { $0.profile.memoryBytes = 0 }
      changes.append { $0.deviceClass = String(repeating: "x", count: 100) }
      changes.append { $0.classes = [-1] }
      for change in changes {
        var registration = device.registration
        change(&registration)
        let body = ServiceJSON.encoded(registration)
        expectCode("malformed", try await device.send("POST", "/v1/register", body), scene)
      }
      expectCode("malformed", try await device.send("POST", "/v1/register", [0xFF, 0xFE]), scene)
      let strange = HandDevice(name: "../../etc", coordinator: scene.coordinator)
      expectCode("malformed", try await strange.register(), scene)
      #expect(scene.coordinator.status.registered == 2)
    }
  }

  @Test func admissionIsKept() async throws {
    let task = try SampleFederation.task()
    let configuration = SampleFederation.configuration()
    let closed = try FederatedCoordinator(task, configuration, admission: .open(token: "secret"))
    var device = HandDevice(name: "a", coordinator: closed)
    #expect(try await device.register().code == "not_admitted")
    var request = try device.signed(
      "POST",
      "/v1/register",
      ServiceJSON.encoded(device.registration)
    )
    request.headers["authorization"] = "Bearer secret"
    #expect(await closed.handle(request).status == 200)

    let folder = try TemporaryFolder()
    let list = folder.path + "/devices.txt"
    try "# devices\na \(device.identity.publicKey)\n\n".write(
      toFile: list,
      atomically: true,
      encoding: .utf8
    )
    let enrolled = try FederatedCoordinator(
      task,
      configuration,
      admission: .enrolled(path: list)
    )
    device = HandDevice(name: "a", identity: device.identity, coordinator: enrolled)
    #expect(try await device.register().status == 200)
    #expect(
      try await HandDevice(name: "b", coordinator: enrolled).register().code == "not_admitted"
    )
    #expect(
      try await HandDevice(name: "a", coordinator: enrolled).register().code == "not_admitted"
    )
    try "a nokey\n".write(toFile: list, atomically: true, encoding: .utf8)
    #expect(
      throws: ServiceError.deviceList(path: list, line: 1, reason: "not a name and a public key")
    ) {
      try DeviceAdmission.enrolled(path: list)
    }
  }

  /// Bytes at random places of valid requests: an answer always comes, and it is never a 500.
  @Test func changedRequestsAreAnswered() async throws {
    try await withScene(try Scene()) { scene in
      let task = try await scene.honest.task()
      let local = try await scene.honest.model(of: task)
      let valid = try scene.honest.result(of: task, local)
      var generator = Philox(seed: 4)
      for _ in 0..<100 {
        var body = valid
        for _ in 0..<(1 + generator.integer(below: 4)) {
          body[generator.integer(below: min(body.count, 400))] = UInt8(
            generator.integer(below: 256)
          )
        }
        let answer = try await scene.other.send(body, of: task)
        #expect((400..<500).contains(answer.status))
      }
      #expect(try await scene.honest.send(valid, of: task).status == 200)
    }
  }
}
