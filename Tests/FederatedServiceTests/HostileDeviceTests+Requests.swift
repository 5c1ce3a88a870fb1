import Federated
import Foundation
import TestSupport
import Testing

@testable import FederatedService

/// What requests cost those who did not send them: nothing.
extension HostileDeviceTests {
  /// Requests of a name that another key signed do not lock out the device of that name.
  @Test func strangersDoNotSpendTheRequestsOfOthers() async throws {
    try await withScene(try Scene()) { scene in
      var forger = scene.honest
      forger.identity = DeviceIdentity()
      for _ in 0..<300 {
        let answer = try await forger.register()
        #expect(answer.code == "not_admitted")
      }
      #expect(try await scene.honest.ask() == "")
      #expect(try await scene.honest.register().status == 200)
      #expect(scene.coordinator.rememberedCount == 2)
    }
  }

  /// Names that nobody knows are not remembered.
  @Test func inventedNamesTakeNoMemory() async throws {
    let task = try SampleFederation.task()
    var configuration = SampleFederation.configuration(devices: 2)
    configuration.mostDevices = 2
    for admission in [DeviceAdmission.open(token: nil), .enrolled([:])] {
      let coordinator = try FederatedCoordinator(task, configuration, admission: admission)
      for index in 0..<40 {
        let device = HandDevice(name: "invented-\(index)", coordinator: coordinator)
        try await device.register()
        _ = try await device.ask()
      }
      #expect(coordinator.rememberedCount <= configuration.mostDevices)
    }
  }

  /// A device that asks very often is never refused for it, and one whose clock goes back while it does
  /// is told a time at which it goes on.
  @Test func manyRequestsAreAnswered() async throws {
    try await withScene(try Scene()) { scene in
      var device = scene.honest
      let start = Date().timeIntervalSince1970
      for index in 0..<300 {
        device.time = { start + 100 + Double(index) / 64 }
        #expect(try await device.ask() == "")
      }
      device.time = { start }
      let call = ServiceJSON.encoded(TaskCall(waitSeconds: 0))
      let answer = try await device.send("POST", "/v1/task", call)
      expectCode("outdated", answer, scene)
      let told = try #require(answer.headers["x-apus-time"].flatMap { Double($0) })
      device.time = { told / 1000 }
      #expect(try await device.ask() == "")
    }
  }

  /// What was heard before a restart is worth nothing after it, however soon that is.
  @Test func requestsAreForOneStartOfTheServer() async throws {
    let (folder, task) = (try TemporaryFolder(), try SampleFederation.task())
    let identity = DeviceIdentity()
    let events = Recorder<CoordinatorEvent>()
    func start() throws -> FederatedCoordinator {
      try FederatedCoordinator(
        task,
        SampleFederation.configuration(),
        folder: folder.path,
        admission: .open(token: nil),
        log: { events.add($0) }
      )
    }
    func heard() async throws -> ServiceRequest {
      let device = HandDevice(name: "a", identity: identity, coordinator: try start())
      try await device.register()
      let request = try device.signed(
        "POST",
        "/v1/task",
        ServiceJSON.encoded(TaskCall(waitSeconds: 0))
      )
      #expect(await device.coordinator.handle(request).status == 200)
      return request
    }
    var request = try await heard()
    let coordinator = try await SampleFederation.restarted(start)
    let answer = await coordinator.handle(request)
    #expect(answer.code == "other_session")
    #expect(answer.headers["x-apus-session"] == coordinator.session)
    func refusals() -> Int {
      events.values.filter { if case .refused = $0 { true } else { false } }.count
    }
    #expect(refusals() == 1)
    // The session is signed, too.
    request.headers["x-apus-session"] = coordinator.session
    #expect(await coordinator.handle(request).code == "bad_signature")
    #expect(refusals() == 2)
    // A device that does not know the session yet is no stranger: the log has no line for it.
    request.headers["x-apus-session"] = nil
    #expect(await coordinator.handle(request).code == "other_session")
    #expect(refusals() == 2)
    request.headers["x-apus-session"] = "none"
    #expect(await coordinator.handle(request).code == "malformed")
  }

  /// Whatever devices write, an event is one line without escape sequences.
  @Test func logsAreNotForged() async throws {
    let forged = "x\nregistered admin (server), 1 devices\u{1B}[2J\u{2028}"
    let written = "x\\u{A}registered admin (server), 1 devices\\u{1B}[2J\\u{2028}"
    let event = CoordinatorEvent.registered(device: "d", deviceClass: forged, count: 1)
    #expect(event.description == "registered d (\(written)), 1 devices")
    let dropped = DeviceEvent.dropped(round: 0, reason: forged)
    #expect(dropped.description == "round 0: result dropped, \(written)")
    let problem = ErrorMessage.Problem(code: "x", message: forged)
    #expect(!"\(ServiceError.refused(problem))".contains("\n"))
    try await withScene(try Scene()) { scene in
      var device = HandDevice(name: "new", coordinator: scene.coordinator)
      device.deviceClass = "a\nb"
      expectCode("malformed", try await device.register(), scene)
      let task = try await scene.honest.task()
      let failure = FailureMessage(kind: .other, reason: forged)
      let path = "/v1/tasks/\(task.id)/failure"
      let answer = try await scene.honest.send("POST", path, ServiceJSON.encoded(failure))
      #expect(answer.status == 200)
      _ = await scene.coordinator.handle(ServiceRequest(method: "GET\n", path: "/\n\u{1B}[2J"))
      #expect(scene.events.values.contains { "\($0)".contains(written) })
      #expect(
        scene.events.values.allSatisfy { event in
          "\(event)".unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
        }
      )
    }
  }
}

extension FederatedCoordinator {
  /// The devices whose requests are remembered.
  fileprivate var rememberedCount: Int { locked { $0.nonces.deviceCount } }
}
