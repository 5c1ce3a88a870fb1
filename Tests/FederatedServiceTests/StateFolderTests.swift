import Checkpoints
import Federated
import Foundation
import Testing

@testable import FederatedService

/// A folder of state belongs to one federation, and to one coordinator at a time.
@Suite struct StateFolderTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @discardableResult
  private func open(
    _ task: ImageTask? = nil,
    _ configuration: CoordinatorConfiguration = SampleFederation.configuration()
  ) throws -> FederatedCoordinator {
    try FederatedCoordinator(
      try task ?? SampleFederation.task(),
      configuration,
      folder: folder.path,
      admission: .open(token: nil)
    )
  }

  /// The names of the settings for which the folder is refused; empty where it is not.
  private func differences(
    _ task: ImageTask? = nil,
    _ configuration: CoordinatorConfiguration = SampleFederation.configuration()
  ) throws -> [String] {
    do {
      try open(task, configuration)
      return []
    } catch ServiceError.otherFederation(let path, let differences) {
      #expect(path == folder.path)
      let text = "\(ServiceError.otherFederation(path: path, differences))"
      for difference in differences { #expect(text.contains(difference.name)) }
      return differences.map(\.name)
    }
  }

  @Test func oneCoordinatorAtATimeWorksInAFolder() throws {
    let first = try open()
    #expect(throws: ServiceError.folderInUse(path: folder.path)) { try open() }
    #expect(first.status.registered == 0)
  }

  @Test func aFolderIsFreeAgainWhenItsCoordinatorIsGone() throws {
    for _ in 0..<3 { try open() }
  }

  @Test func anotherTaskIsRefused() throws {
    try open()
    #expect(try differences(SampleFederation.task(name: "other")) == ["task.name"])
    let wider = try differences(SampleFederation.task(hidden: 13))
    #expect(wider == ["task.digest", "task.parameterCount"])
    // Other data of the same task are no matter: devices have other ones, too.
    #expect(try differences(SampleFederation.task(count: 100, seed: 9)) == [])
  }

  @Test func settingsThatDifferAreNamed() throws {
    typealias Change = (inout CoordinatorConfiguration) -> Void
    let changes: [(names: [String], Change)] = [
      (["seed"], { $0.seed += 1 }),
      (["planning"], { $0.planning = .fixed([.slice(Rate(1, of: 2))]) }),
      (["training.learningRate"], { $0.training.learningRate *= 2 }),
      (["training.epochs"], { $0.training.epochs += 1 }),
      (["rounds.fraction"], { $0.rounds.fraction = 0.5 }),
      (["rounds.deadline"], { $0.rounds.deadline = 60 }),
      (["aggregation.optimizer.rule"], { $0.aggregation.optimizer = .init(.adam()) }),
      (
        ["aggregation.privacy"],
        { $0.aggregation.privacy = CentralPrivacy(noiseMultiplier: 1, expectedClients: 4) }
      ),
      (
        ["seed", "training.batchSize"],
        {
          $0.seed += 1
          $0.training.batchSize += 1
        }
      ),
    ]
    try open()
    for (names, change) in changes {
      var configuration = SampleFederation.configuration()
      change(&configuration)
      #expect(try differences(nil, configuration) == names)
    }
    var faster = SampleFederation.configuration()
    faster.training.learningRate = 0.25
    do { try open(nil, faster) } catch {
      #expect("\(error)".contains("training.learningRate is 0.05 there, 0.25 here"), "\(error)")
    }
    // What one may want to change while a federation lasts.
    var other = SampleFederation.configuration()
    other.roundCount += 1
    other.deviceCount = 3
    other.gatherSeconds = 1
    other.testInterval = 0
    other.exampleLimit = 10
    other.exampleFactor = 2
    other.updateNormLimit = 1
    other.clockTolerance = 10
    #expect(try differences(nil, other) == [])
  }

  @Test func damagedStateIsNotOverwritten() throws {
    try open()
    for name in ["/devices.json", "/federation.json"] {
      let path = folder.path + name
      try AtomicFile.write("[{]", to: path)
      #expect(throws: ServiceError.self) { try open() }
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "[{]")
    }
    // Devices or rounds of what nobody knows.
    try FileManager.default.removeItem(atPath: folder.path + "/federation.json")
    do {
      try open()
      Issue.record("a folder without federation.json was taken")
    } catch ServiceError.state(let reason) {
      #expect(reason.contains("federation.json"))
    }
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/federation.json"))
  }

  /// A device that would learn something else is told so, and does not count.
  @Test(.timeLimit(.minutes(10))) func aDeviceWithAnotherTaskIsRefused() async throws {
    let events = Recorder<CoordinatorEvent>()
    let coordinator = try FederatedCoordinator(
      try SampleFederation.task(),
      SampleFederation.configuration(),
      admission: .open(token: nil),
      log: { events.add($0) }
    )
    let others = [
      try SampleFederation.task(name: "other"), try SampleFederation.task(hidden: 13),
    ]
    for task in others {
      let device = try SampleFederation.device(0, of: 2, task, InProcessTransport(coordinator))
      let error = await #expect(throws: ServiceError.self) { try await device.run() }
      guard case .refused(let problem) = error else {
        Issue.record("a device with another task is not refused")
        continue
      }
      #expect(problem.code == "other_task")
      #expect(problem.message.contains("'\(task.name)'") && problem.message.contains("'halves'"))
    }
    #expect(coordinator.status.registered == 0)
    let refusals = events.values.filter {
      if case .refused(_, .otherTask) = $0 { true } else { false }
    }
    #expect(refusals.count == 2)
  }
}
