import Federated
import Foundation
import Testing

@testable import FederatedService

/// Who may take part is asked for every request, whatever was registered before.
@Suite(.timeLimit(.minutes(10))) struct AdmissionTests {
  private let folder: TemporaryFolder
  private let task: ImageTask
  private let a = DeviceIdentity()
  private let b = DeviceIdentity()

  init() throws {
    (folder, task) = (try TemporaryFolder(), try SampleFederation.task())
  }

  /// One start of a server over the folder.
  private func withServer(
    _ admission: DeviceAdmission,
    _ body: (FederatedCoordinator) async throws -> Void
  ) async throws {
    let coordinator = try await SampleFederation.restarted {
      try FederatedCoordinator(
        task,
        SampleFederation.configuration(devices: 2),
        folder: folder.path,
        admission: admission
      )
    }
    try await body(coordinator)
  }

  /// What a device that registered before hears when it asks for work.
  private func ask(
    _ name: String,
    _ identity: DeviceIdentity,
    _ coordinator: FederatedCoordinator
  ) async throws -> String {
    try await HandDevice(name: name, identity: identity, coordinator: coordinator).ask()
  }

  private func register(
    _ name: String,
    _ identity: DeviceIdentity,
    _ coordinator: FederatedCoordinator
  ) async throws -> String {
    try await HandDevice(name: name, identity: identity, coordinator: coordinator).register().code
  }

  @Test func whoIsTakenFromTheListIsRefused() async throws {
    try await withServer(.enrolled(["a": a.publicKey, "b": b.publicKey])) { (server) async throws in
      #expect(try await register("a", a, server) == "")
      #expect(try await register("b", b, server) == "")
      #expect(try await ask("b", b, server) == "")
    }
    try await withServer(.enrolled(["a": a.publicKey])) { (server) async throws in
      #expect(server.status.registered == 2)
      #expect(try await ask("a", a, server) == "")
      #expect(try await ask("b", b, server) == "not_admitted")
      #expect(try await register("b", b, server) == "not_admitted")
      // It is not there, so no round waits for it.
      #expect(server.status.available == 1)
    }
  }

  @Test func aKeyThatWasExchangedIsRefused() async throws {
    try await withServer(.enrolled(["a": a.publicKey])) { (server) async throws in
      #expect(try await register("a", a, server) == "")
    }
    try await withServer(.enrolled(["a": b.publicKey])) { (server) async throws in
      #expect(try await ask("a", a, server) == "not_admitted")
      #expect(try await register("a", a, server) == "not_admitted")
      #expect(try await ask("a", b, server) == "bad_signature")
      #expect(try await register("a", b, server) == "")
      #expect(try await ask("a", b, server) == "")
      #expect(try await ask("a", a, server) == "bad_signature")
      // The name keeps its number.
      #expect(server.status.registered == 1)
    }
  }

  @Test func aListEndsWhatWasOpen() async throws {
    try await withServer(.open(token: nil)) { (server) async throws in
      #expect(try await register("a", a, server) == "")
      #expect(try await register("b", b, server) == "")
    }
    try await withServer(.enrolled(["a": a.publicKey])) { (server) async throws in
      #expect(try await ask("a", a, server) == "")
      #expect(try await ask("b", b, server) == "not_admitted")
    }
  }

  @Test func aTokenIsAskedOfThoseWhoRegisteredWithoutIt() async throws {
    try await withServer(.open(token: nil)) { (server) async throws in
      #expect(try await register("a", a, server) == "")
    }
    try await withServer(.open(token: "secret")) { (server) async throws in
      #expect(try await ask("a", a, server) == "not_admitted")
      let device = HandDevice(name: "a", identity: a, coordinator: server)
      var request = try device.signed(
        "POST",
        "/v1/task",
        ServiceJSON.encoded(TaskCall(waitSeconds: 0))
      )
      request.headers["authorization"] = "Bearer secret"
      #expect(await server.handle(request).status == 200)
    }
  }

  /// Devices of this build send the token with every request.
  @Test func aFederationWithATokenRuns() async throws {
    let coordinator = try FederatedCoordinator(
      task,
      SampleFederation.configuration(rounds: 1, devices: 2),
      admission: .open(token: "secret")
    )
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await SampleFederation.rounds(of: coordinator) }
      for index in 0..<2 {
        let device = try SampleFederation.device(
          index,
          of: 2,
          task,
          InProcessTransport(coordinator),
          token: "secret"
        )
        group.addTask { try await device.run() }
      }
      try await group.waitForAll()
    }
    #expect(coordinator.reports.map(\.reported) == [2])
  }
}
