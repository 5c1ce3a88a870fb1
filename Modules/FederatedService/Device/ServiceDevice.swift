public import Federated
import Synchronization
import Tensor

#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

/// A device of a federation: registers, trains what it is given, and sends what changed.
///
///     let transport = try HTTPServiceTransport(address: "https://coordinator:8443")
///     let device = try ServiceDevice("meter-17", identity, transport, work)
///     try await device.run()                 // until the federation ends
///
/// Everything that may fail on a network is tried again, with growing pauses; a result is sent until
/// the server has it or says that its round is over. Training runs apart from the thread pool of the
/// language, so that heartbeats go on.
public final class ServiceDevice: Sendable {
  /// What a device trains, and with what.
  public struct Work: Sendable {
    /// What is learned.
    public var task: any FederatedTask
    /// The device's training examples.
    public var examples: [Int32]
    /// What the device can do.
    public var profile: DeviceProfile
    /// The class it belongs to, for reports.
    public var deviceClass: String
    /// Whether it tells which classes it holds.
    public var tellsClasses: Bool

    /// Work.
    public init(
      task: any FederatedTask,
      examples: [Int32],
      profile: DeviceProfile,
      deviceClass: String,
      tellsClasses: Bool = false
    ) {
      self.task = task
      self.examples = examples
      self.profile = profile
      self.deviceClass = deviceClass
      self.tellsClasses = tellsClasses
    }
  }

  /// How long a device tries, and how it is told off.
  public struct Patience: Sendable {
    /// The first pause after a failure, in seconds; it doubles up to `longestPause`.
    public var firstPause = 0.2
    /// The longest pause, in seconds.
    public var longestPause = 30.0
    /// The device gives up when the server cannot be reached for so many seconds.
    public var seconds = 3600.0
    /// How long a call for work may wait on the server, in seconds.
    public var waitSeconds = 20.0

    /// An hour.
    public init() {}
  }

  let name: String
  let identity: DeviceIdentity
  let transport: any ServiceTransport
  let work: Work
  let patience: Patience
  let token: String?
  let log: @Sendable (DeviceEvent) -> Void
  let clock: ServiceClock
  let session = ServiceSession()
  let executor = TrainingThread()
  private let sharedTask: SharedTask
  private let residual = Mutex(ParameterSet())

  /// A device.
  ///
  /// - Parameters:
  ///   - name: 1 to 64 letters, digits, dots, dashes and underscores.
  ///   - identity: its key.
  ///   - transport: the way to the server.
  ///   - work: what it trains.
  ///   - token: what admits it where the operator wants one.
  ///   - patience: how long it tries.
  ///   - clock: seconds since 1970.
  ///   - log: told about everything that happens.
  /// - Throws: `ServiceError.settings`.
  public init(
    _ name: String,
    _ identity: DeviceIdentity,
    _ transport: any ServiceTransport,
    _ work: Work,
    token: String? = nil,
    patience: Patience = Patience(),
    clock: @escaping @Sendable () -> Double = { Date().timeIntervalSince1970 },
    log: @escaping @Sendable (DeviceEvent) -> Void = { _ in }
  ) throws(ServiceError) {
    guard DeviceName.isValid(name) else {
      throw .settings("'\(name)' is no name of a device: \(DeviceName.rule)")
    }
    guard !work.examples.isEmpty else { throw .settings("device '\(name)' has no examples") }
    self.name = name
    self.identity = identity
    self.transport = transport
    self.work = work
    sharedTask = SharedTask(work.task)
    self.token = token
    self.patience = patience
    self.clock = ServiceClock(clock)
    self.log = log
  }

  /// Takes part until the federation ends or the task is cancelled.
  ///
  /// - Throws: `ServiceError.refused` where the server will never let it take part: it is not admitted
  ///   (any more), or learns another task than the server; `.unreachable` when it gave up.
  public func run() async throws(ServiceError) {
    try await register()
    while !Task.isCancelled {
      switch try await fetch() {
      case nil: try await register()
      case .finished?:
        log(.finished)
        return
      case .wait(let seconds)?: await pause(min(max(seconds, 0), 60))
      case .task(let message)?: try await carryOut(message)
      }
    }
  }

  private func register() async throws(ServiceError) {
    let registration = Registration(
      publicKey: identity.publicKey,
      task: sharedTask,
      profile: work.profile,
      deviceClass: work.deviceClass,
      exampleCount: work.examples.count,
      classes: work.tellsClasses ? presentClasses : nil
    )
    var request = ServiceRequest(method: "POST", path: "/v1/register")
    request.body = ServiceJSON.encoded(registration)
    switch try await call(request, limit: Self.smallAnswer) {
    case .success: log(.registered)
    case .failure(let problem): throw .refused(problem)
    }
  }

  private var presentClasses: Set<Int> {
    let present = work.task.presentClasses(work.examples)
    return Set(present.indices.filter { present[$0] })
  }

  /// Enough for every answer of JSON.
  private static var smallAnswer: Int { 65_536 }

  /// What to do; nil where the server has forgotten the device.
  private func fetch() async throws(ServiceError) -> TaskAnswer? {
    var request = ServiceRequest(method: "POST", path: "/v1/task")
    request.body = ServiceJSON.encoded(TaskCall(waitSeconds: patience.waitSeconds))
    switch try await call(request, limit: Self.smallAnswer, waiting: patience.waitSeconds) {
    case .success(let body):
      if let answer = try? ServiceJSON.decoded(body, as: TaskAnswer.self) { return answer }
      return .wait(seconds: patience.longestPause)
    case .failure(let problem):
      if problem.code == "unknown_device" { return nil }
      if problem.code == "too_many_requests" { return .wait(seconds: patience.longestPause) }
      throw .refused(problem)
    }
  }

  // MARK: A task

  private func carryOut(_ message: TaskMessage) async throws(ServiceError) {
    let id = message.task.id
    // Headers and masks come beside the numbers that the cost model counts. A terabyte is no model of
    // a device, and what a server says must not overflow here.
    let limit = 2 * min(max(message.modelByteCount, 0), 1 << 40) + (1 << 20)
    let request = ServiceRequest(method: "GET", path: "/v1/tasks/\(id)/model")
    guard case .success(let bytes) = try await call(request, limit: limit) else { return }
    let begin = ContinuousClock.now
    let body: [UInt8]
    do {
      body = try await withHeartbeats(of: message) { try self.train(message, bytes, begin) }
    } catch {
      log(.failed(round: message.task.round, reason: "\(error)"))
      let failure = FailureMessage(kind: .other, reason: String("\(error)".prefix(500)))
      var request = ServiceRequest(method: "POST", path: "/v1/tasks/\(id)/failure")
      request.body = ServiceJSON.encoded(failure)
      _ = try await call(request, limit: Self.smallAnswer)
      return await pause(patience.firstPause)
    }
    guard !Task.isCancelled else { return }
    try await send(body, of: message)
  }

  private func send(_ body: [UInt8], of message: TaskMessage) async throws(ServiceError) {
    var request = ServiceRequest(method: "POST", path: "/v1/tasks/\(message.task.id)/result")
    request.body = body
    while true {
      switch try await call(request, limit: Self.smallAnswer) {
      case .success: return log(.sent(round: message.task.round, byteCount: body.count))
      case .failure(let problem):
        // The server holds one result of a device at a time, this one on a lost connection perhaps.
        guard problem.code == "too_many_requests", !Task.isCancelled else {
          return log(.dropped(round: message.task.round, reason: problem.message))
        }
        await pause(patience.longestPause)
      }
    }
  }

  /// Trains a model that came, and packs what changed.
  private func train(
    _ message: TaskMessage,
    _ bytes: [UInt8],
    _ begin: ContinuousClock.Instant
  ) throws -> [UInt8] {
    let local = try LocalModel(decoding: bytes)
    var draws = Philox(seed: message.task.seed)
    let job = LocalJob(
      model: local,
      examples: work.examples,
      settings: message.training,
      batches: .shuffled(draws.fork(0))
    )
    // A result that comes in time with fewer steps is worth more than one that comes too late.
    let limit = message.secondsLeft.map { Duration.seconds(0.8 * Self.bounded($0)) }
    var update = try LocalTrainer(work.task).train(job) { _ in
      limit.map { begin.duration(to: .now) >= $0 } ?? false
    }
    let layout = UpdateLayout(local)
    var compressor = UpdateCompressor(residual: residual.withLock { $0 })
    draws = draws.fork(1)
    let packed = try compressor.pack(update.delta, of: local, using: &draws)
    residual.withLock { $0 = compressor.residual }
    update.delta = packed.unpacked(layout)
    // Of a device with very many examples the server counts some alone.
    update.exampleCount = min(update.exampleCount, message.task.exampleCount)
    let result = ResultMessage(
      round: message.task.round,
      planID: message.task.planID,
      modelVersion: message.task.modelVersion,
      checksum: update.checksum,
      exampleCount: update.exampleCount,
      stepCount: update.stepCount,
      loss: update.loss.flatMap { $0.isFinite ? $0 : nil }
    )
    return result.body(with: packed.encoded(layout))
  }

  /// Runs work on a thread of its own, and shows signs of life meanwhile.
  private func withHeartbeats(
    of message: TaskMessage,
    _ body: @escaping @Sendable () throws -> [UInt8]
  ) async throws -> [UInt8] {
    let pause = max(Self.bounded(message.heartbeatSeconds) / 2, 0.05)
    let path = "/v1/tasks/\(message.task.id)/heartbeat"
    let beats = Task {
      while !Task.isCancelled {
        try? await Task.sleep(for: .seconds(pause))
        if Task.isCancelled { return }
        let request = ServiceRequest(method: "POST", path: path)
        _ = try? await self.attempt(request, limit: Self.smallAnswer, waiting: 0)
      }
    }
    defer { beats.cancel() }
    return try await executor.run(body)
  }

  /// Seconds that a server says: at most 30 years, for clocks stop at times that they cannot hold.
  private static func bounded(_ seconds: Double) -> Double { min(max(seconds, 0), 1e9) }

  func pause(_ seconds: Double) async { try? await Task.sleep(for: .seconds(seconds)) }
}
