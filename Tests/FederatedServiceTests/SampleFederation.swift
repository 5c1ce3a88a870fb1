import Federated
import Foundation
import Synchronization
import Tensor
import Testing

@testable import FederatedService

/// A small federation: images of two classes that a mean tells apart.
enum SampleFederation {
  /// 8 × 8 images; class 1 is bright in the upper half, class 0 in the lower.
  static func task(
    count: Int = 240,
    seed: UInt64 = 5,
    name: String = "halves",
    hidden: Int = 12
  ) throws -> ImageTask {
    var configuration = ImageTask.Configuration()
    configuration.network = .perceptron(hidden: [hidden])
    return try ImageTask(
      name: name,
      training: images(count, seed),
      test: images(100, seed + 1),
      configuration
    )
  }

  private static func images(_ count: Int, _ seed: UInt64) -> (Tensor<UInt8>, [Int32]) {
    var generator = Philox(seed: seed)
    let labels = (0..<count).map { Int32($0 % 2) }
    var pixels: [UInt8] = []
    for label in labels {
      for place in 0..<64 {
        let isBright = (place < 32) == (label == 1)
        let value = (isBright ? 130 : 90) + 60 * Int(generator.uniform() * 2 - 1)
        pixels.append(UInt8(clamping: value + Int(40 * (generator.uniform() - 0.5))))
      }
    }
    return (Tensor(pixels, shape: [count, 8, 8]), labels)
  }

  static func configuration(rounds: Int = 4, devices: Int = 4) -> CoordinatorConfiguration {
    var configuration = CoordinatorConfiguration(seed: 3)
    configuration.roundCount = rounds
    configuration.deviceCount = devices
    configuration.gatherSeconds = 0.5
    configuration.rounds.overSampling = 1
    // Tests share their threads with others that compute for minutes.
    configuration.rounds.heartbeatSeconds = 100_000
    return configuration
  }

  /// A device that holds the part `index` of `count`.
  static func device(
    _ index: Int,
    of count: Int,
    _ task: ImageTask,
    _ transport: any ServiceTransport,
    identity: DeviceIdentity = DeviceIdentity(),
    token: String? = nil,
    clock: @escaping @Sendable () -> Double = { Date().timeIntervalSince1970 },
    log: @escaping @Sendable (DeviceEvent) -> Void = { _ in }
  ) throws -> ServiceDevice {
    let examples = (0..<Int32(task.trainingCount)).filter { Int($0) / 2 % count == index }
    var patience = ServiceDevice.Patience()
    patience.firstPause = 0.02
    patience.longestPause = 0.2
    patience.seconds = 60
    patience.waitSeconds = 1
    return try ServiceDevice(
      "device-\(index)",
      identity,
      transport,
      ServiceDevice.Work(
        task: task,
        examples: examples,
        profile: DeviceClass.gateway.profile,
        deviceClass: index % 2 == 0 ? "gateway" : "phone",
        tellsClasses: true
      ),
      token: token,
      patience: patience,
      clock: clock,
      log: log
    )
  }

  /// A coordinator over a folder that another one is about to leave: calls that wait on it end first.
  static func restarted(
    _ make: () throws -> FederatedCoordinator
  ) async throws -> FederatedCoordinator {
    for _ in 0..<3000 {
      do { return try make() } catch ServiceError.folderInUse {
        try await Task.sleep(for: .milliseconds(10))
      }
    }
    return try make()
  }

  /// Runs the rounds of a coordinator on a thread of its own.
  static func rounds(
    of coordinator: FederatedCoordinator,
    until stop: Flag = Flag()
  ) async throws {
    try await TrainingThread().run { try coordinator.run { stop.isSet } }
  }
}

/// Something that is set once.
final class Flag: Sendable {
  private let value = Mutex(false)
  var isSet: Bool { value.withLock { $0 } }
  func set() { value.withLock { $0 = true } }
}

/// A list that threads add to.
final class Recorder<Value: Sendable>: Sendable {
  private let list = Mutex<[Value]>([])
  var values: [Value] { list.withLock { $0 } }
  func add(_ value: Value) { list.withLock { $0.append(value) } }
}

/// A device by hand: signs requests and sees the answers.
struct HandDevice {
  let name: String
  var identity = DeviceIdentity()
  let coordinator: FederatedCoordinator
  var exampleCount = 60
  var deviceClass = "gateway"
  var profile = DeviceClass.gateway.profile
  var time: @Sendable () -> Double = { Date().timeIntervalSince1970 }

  func signed(_ method: String, _ path: String, _ body: [UInt8] = []) throws -> ServiceRequest {
    try ServiceRequest(method: method, path: path, body: body).signed(
      by: identity,
      device: name,
      time: Int(time() * 1000),
      session: coordinator.session
    )
  }

  func send(_ method: String, _ path: String, _ body: [UInt8] = []) async throws -> ServiceResponse
  {
    await coordinator.handle(try signed(method, path, body))
  }

  var registration: Registration {
    Registration(
      publicKey: identity.publicKey,
      task: coordinator.sharedTask,
      profile: profile,
      deviceClass: deviceClass,
      exampleCount: exampleCount
    )
  }

  @discardableResult
  func register() async throws -> ServiceResponse {
    try await send("POST", "/v1/register", ServiceJSON.encoded(registration))
  }

  /// The code of the answer to a call for work; "" where it is no refusal.
  func ask() async throws -> String {
    try await send("POST", "/v1/task", ServiceJSON.encoded(TaskCall(waitSeconds: 0))).code
  }

  /// The open task; waits for it.
  func task() async throws -> RoundTask {
    for _ in 0..<200 {
      let body = ServiceJSON.encoded(TaskCall(waitSeconds: 0.1))
      let answer = try await send("POST", "/v1/task", body)
      if case .task(let message) = try ServiceJSON.decoded(answer.body, as: TaskAnswer.self) {
        return message.task
      }
    }
    throw TestFailure(reason: "no task came")
  }

  func model(of task: RoundTask) async throws -> LocalModel {
    try LocalModel(decoding: try await send("GET", "/v1/tasks/\(task.id)/model").body)
  }

  /// A result with an update of the given numbers.
  func result(
    of task: RoundTask,
    _ local: LocalModel,
    value: Float = 0.01,
    change: (inout ResultMessage) -> Void = { _ in }
  ) throws -> [UInt8] {
    let delta = local.parameters.mapValues { Tensor(repeating: value, shape: $0.shape) }
    let layout = UpdateLayout(local)
    let update = ParameterUpdate(delta: delta, exampleCount: exampleCount)
    var message = ResultMessage(
      round: task.round,
      planID: task.planID,
      modelVersion: task.modelVersion,
      checksum: update.checksum,
      exampleCount: exampleCount,
      stepCount: 1,
      loss: 0.5
    )
    change(&message)
    let numbers = try layout.flattened(delta)
    let packed = PackedUpdate(numbers, layout: layout, plan: task.plan.update)
    return message.body(with: packed.encoded(layout))
  }

  func send(_ body: [UInt8], of task: RoundTask) async throws -> ServiceResponse {
    try await send("POST", "/v1/tasks/\(task.id)/result", body)
  }
}

struct TestFailure: Error { let reason: String }

extension ServiceResponse {
  /// The code of a refusal; "" where there is none.
  var code: String {
    (try? ServiceJSON.decoded(body, as: ErrorMessage.self))?.error.code ?? ""
  }
}

/// A new, empty folder that goes with its owner.
final class TemporaryFolder {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory
      .appendingPathComponent("apus-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
