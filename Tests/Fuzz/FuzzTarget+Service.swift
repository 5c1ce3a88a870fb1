import Crypto
import Federated
import Foundation
import Synchronization
import Tensor

@testable import FederatedService

extension FuzzTarget {
  static let service = [localModel, request, result, taskAnswer, deviceList]

  /// A device's model without the digest at its end.
  private static let localModel = FuzzTarget(
    name: "local-model",
    words: [
      "AFM1", "\"plan\":", "\"globals\":", "\"slices\":", "\"axes\":", "\"masks\":", "\"forms\":",
      "\"tensors\":", "\"shape\":", "\"kind\":\"adapter\"", "\"scales\"", "\"factors\"",
      "\"rank\":",
      "\"rows\":", "\"columns\":", "\"bits\":", "9223372036854775807", "4611686018427387904", "[]",
    ],
    seeds: { try ServiceSamples.models().map { $0.encoded().dropLast(SHA256.byteCount) } }
  ) { bytes in
    // Whatever the length in the header says, it is that of the input up to the first byte 0.
    let local = try LocalModel(decoding: bytes + Array(SHA256.hash(data: bytes)))
    let again = try LocalModel(decoding: local.encoded())
    demand(again.encoded() == local.encoded(), "its copy is another model")
    let layout = UpdateLayout(local)
    let numbers = [Float](repeating: 0.5, count: layout.count)
    let packed = PackedUpdate(numbers, layout: layout, plan: local.plan.update)
    _ = packed.unpacked(layout)
    let update = ParameterUpdate(delta: packed.unpacked(layout), exampleCount: 1)
    _ = try local.lifted(update)
  }

  /// A request: method, path and headers in lines, an empty line, and the body.
  ///
  /// One whose head has the line `sign` is signed by a device.
  private static let request = FuzzTarget(
    name: "service-request",
    words: [
      "GET /healthz\n", "POST /v1/register\n", "POST /v1/tasks/0/result\n", "/v1/tasks/1/model",
      "POST /v1/tasks/0/failure\n", "POST /v1/tasks/0/heartbeat\n", "sign\n", "content-length: ",
      "x-apus-device: device-0\n", "x-apus-time: ", "x-apus-nonce: ", "x-apus-signature: ",
      "\"publicKey\":", "\"task\":", "\"profile\":", "\"exampleCount\":", "\"deviceClass\":",
      "\"classes\":[", "\"kind\":\"outOfMemory\"", "\"reason\":", "9223372036854775807",
    ],
    seeds: {
      let registration = String(decoding: ServiceSamples.registration, as: UTF8.self)
      return [
        "GET /v1/status\n\n", "POST /v1/register\nsign\n\n\(registration)",
        "POST /v1/tasks/0/failure\nsign\n\n{\"kind\":\"other\",\"reason\":\"x\"}",
        "GET /v1/tasks/0/model\nsign\n\n",
        "POST /v1/tasks/0/result\nx-apus-device: a\nx-apus-time: 5\n\nx",
      ].map { Array($0.utf8) }
    }
  ) { bytes in
    let lines = bytes.split(separator: 0x0A, maxSplits: 64, omittingEmptySubsequences: false)
    let head = lines.prefix { !$0.isEmpty }.map { String(decoding: $0, as: UTF8.self) }
    let first = (head.first ?? "").split(separator: " ", maxSplits: 1)
    var request = ServiceRequest(
      method: String(first.first ?? ""),
      path: String(first.dropFirst().first ?? "")
    )
    for line in head.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard let name = parts.first, let value = parts.dropFirst().first else { continue }
      request.headers[name.lowercased()] = value.trimmingCharacters(in: .whitespaces)
    }
    request.body = Array(lines.dropFirst(head.count + 1).joined(separator: [0x0A]))
    // A call for work may wait for seconds.
    if request.path == "/v1/task" {
      _ = try ServiceJSON.decoded(request.body, as: TaskCall.self)
      return
    }
    let isSigned = head.contains("sign")
    let answer = ServiceSamples.answer(request, isSigned: isSigned)
    demand(answer.status < 500, "status \(answer.status)")
    if answer.status != 200 {
      _ = try ServiceJSON.decoded(answer.body, as: ErrorMessage.self)
    }
  }

  /// The body of a result.
  private static let result = FuzzTarget(
    name: "service-result",
    words: [
      "\"round\":", "\"planID\":", "\"modelVersion\":", "\"checksum\":", "\"exampleCount\":",
      "\"stepCount\":", "\"loss\":", "\n", "18446744073709551615", "1e400", "null",
    ],
    seeds: {
      let message = ResultMessage(
        round: 1,
        planID: 2,
        modelVersion: 3,
        checksum: 4,
        exampleCount: 5,
        stepCount: 6,
        loss: 0.5
      )
      return [message.body(with: [1, 2, 3])]
    }
  ) { bytes in
    _ = try ResultMessage.parsed(bytes)
  }

  /// What a device gets from a coordinator: a `TaskAnswer`, a byte 0, and a model without its digest.
  private static let taskAnswer = FuzzTarget(
    name: "service-task",
    words: [
      "{\"task\":{\"_0\":", "{\"wait\":{\"seconds\":", "{\"finished\":{}}", "\"modelByteCount\":",
      "\"heartbeatSeconds\":", "\"secondsLeft\":", "\"training\":", "\"batchSize\":", "\"epochs\":",
      "\"learningRate\":", "\"method\":\"gradient\"", "\"levels\":", "1e300", "9223372036854775807",
      "-9223372036854775808", "4611686018427387904",
    ],
    seeds: { try ServiceSamples.taskAnswers() }
  ) { bytes in
    let answer = try ServiceJSON.decoded(bytes.halves.first, as: TaskAnswer.self)
    // How long a device works is the coordinator's to say.
    guard case .task(let message) = answer, message.training.epochs < 3 else { return }
    let model = Array(bytes.halves.second)
    ServiceSamples.work(Array(bytes.halves.first), model + Array(SHA256.hash(data: model)))
  }

  /// Lists of devices and keys in files.
  private static let deviceList = FuzzTarget(
    name: "device-list",
    words: ["# ", "device-0 ", "\n", "==", "\"client\":0", "\"registration\":", "\"name\":"],
    seeds: {
      let key = DeviceIdentity().publicKey
      return ["device-0 \(key) # the first\n\n", "[]", key + "\n"].map { Array($0.utf8) }
    }
  ) { bytes in
    let path = Scratch.file("fuzz.list", bytes)
    do { _ = try DeviceAdmission.enrolled(path: path) } catch {
      demand(!"\(error)".isEmpty, "an error without a text")
    }
    _ = try? DeviceIdentity(path: path)
    _ = try DeviceRegistry(path: path, limit: 10)
  }
}

/// A coordinator, a device, and what they say to each other.
private enum ServiceSamples {
  static let task: ImageTask = {
    var configuration = ImageTask.Configuration()
    configuration.network = .perceptron(hidden: [3])
    let pixels = Tensor<UInt8>((0..<64).map { UInt8($0) }, shape: [4, 4, 4])
    let images = (pixels: pixels, labels: [Int32(0), 1, 0, 1])
    do {
      return try ImageTask(name: "fuzz", training: images, test: images, configuration)
    } catch {
      stop("federated service: \(error)")
    }
  }()

  private static let identity = DeviceIdentity()

  private static let coordinator: FederatedCoordinator = {
    do {
      return try FederatedCoordinator(
        task,
        CoordinatorConfiguration(seed: 1),
        admission: .open(token: nil)
      )
    } catch {
      stop("federated service: \(error)")
    }
  }()

  static var registration: [UInt8] {
    ServiceJSON.encoded(
      Registration(
        publicKey: identity.publicKey,
        task: coordinator.sharedTask,
        profile: DeviceClass.gateway.profile,
        deviceClass: "gateway",
        exampleCount: 5
      )
    )
  }

  /// The answer of a coordinator whose rounds do not run.
  static func answer(_ request: ServiceRequest, isSigned: Bool) -> ServiceResponse {
    var request = request
    if isSigned {
      do {
        request = try request.signed(
          by: identity,
          device: "device-0",
          time: Int(Date().timeIntervalSince1970 * 1000),
          session: coordinator.session
        )
      } catch {
        stop("federated service: \(error)")
      }
    }
    let sent = request
    let answer = Answer()
    waiting { answer.set(await coordinator.handle(sent)) }
    guard let response = answer.value else { stop("no answer") }
    return response
  }

  /// Models cut in every way.
  static func models() throws -> [LocalModel] {
    let plans: [DevicePlan] = [
      .full, .slice(Rate(1, of: 2)), DevicePlan(mask: MaskPlan(density: Rate(1, of: 2))),
      DevicePlan(lowBit: LowBitPlan(bits: 4)), DevicePlan(rank: .fixed(1)),
      DevicePlan(lowBit: LowBitPlan(bits: 3, training: .scales)),
      DevicePlan(lowBit: LowBitPlan(bits: 8, training: .adapter(rank: 1))),
    ]
    return try plans.map { try begun($0).1 }
  }

  private static func begun(_ plan: DevicePlan) throws -> (RoundTask, LocalModel) {
    var settings = RoundSettings()
    settings.minimumReports = 1
    var engine = try RoundEngine(
      model: task.initialParameters(seed: 1),
      description: task.model,
      settings: settings,
      aggregation: AggregationSettings(),
      seed: 1
    )
    let candidate = RoundCandidate(client: 0, exampleCount: 10, plan: plan)
    guard let task = try engine.begin([candidate], now: 0).first else { stop("no task") }
    return (task, try engine.localModel(for: task))
  }

  static func taskAnswers() throws -> [[UInt8]] {
    try [DevicePlan.full, .slice(Rate(1, of: 2))].map { plan in
      let (task, local) = try begun(plan)
      let message = TaskMessage(
        task: task,
        training: LocalTrainingSettings(),
        heartbeatSeconds: 30,
        secondsLeft: 60,
        modelByteCount: 1000
      )
      return .joining(
        ServiceJSON.encoded(TaskAnswer.task(message)),
        local.encoded().dropLast(SHA256.byteCount)
      )
    }
  }

  /// Lets a device do what an answer says.
  static func work(_ answer: [UInt8], _ model: [UInt8]) {
    var patience = ServiceDevice.Patience()
    (patience.firstPause, patience.longestPause, patience.seconds) = (0, 0, 0)
    let transport = ScriptedTransport(task: answer, model: model)
    do {
      let device = try ServiceDevice(
        "device-0",
        identity,
        transport,
        ServiceDevice.Work(
          task: task,
          examples: [0, 1, 2, 3],
          profile: DeviceClass.gateway.profile,
          deviceClass: "gateway"
        ),
        patience: patience
      )
      waiting { try? await device.run() }
    } catch {
      stop("federated service: \(error)")
    }
  }
}

/// Gives one answer to a call for work, its model, and says then that all is over.
private final class ScriptedTransport: ServiceTransport {
  private let task: [UInt8]
  private let model: [UInt8]
  private let isAsked = Mutex(false)

  init(task: [UInt8], model: [UInt8]) { (self.task, self.model) = (task, model) }

  func send(
    _ request: ServiceRequest,
    timeout: Duration,
    limit: Int
  ) async throws(ServiceTransportFailure) -> ServiceResponse {
    if request.path.hasSuffix("/model") { return ServiceResponse(status: 200, body: model) }
    guard request.path == "/v1/task" else {
      return ServiceResponse(status: 200, body: Array("{}".utf8))
    }
    let isFirst = isAsked.withLock { isAsked in
      defer { isAsked = true }
      return !isAsked
    }
    return ServiceResponse(
      status: 200,
      body: isFirst ? task : ServiceJSON.encoded(TaskAnswer.finished)
    )
  }
}

/// An answer that another thread gives.
private final class Answer: Sendable {
  private let found = Mutex<ServiceResponse?>(nil)
  var value: ServiceResponse? { found.withLock { $0 } }
  func set(_ response: ServiceResponse) { found.withLock { $0 = response } }
}
