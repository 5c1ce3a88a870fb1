import Crypto
import Dispatch
import Federated
import Tensor

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

extension FederatedCoordinator {
  /// Answers a request, whatever it is.
  ///
  /// | call | body | answer |
  /// |---|---|---|
  /// | `GET` or `HEAD` of `/healthz`, `/v1/status` | | `ServiceStatus`; these are not signed |
  /// | `POST /v1/register` | `Registration` | `ServiceStatus` |
  /// | `POST /v1/task` | `TaskCall` | `TaskAnswer` |
  /// | `GET /v1/tasks/ID/model` | | the bytes of `LocalModel(decoding:)` |
  /// | `POST /v1/tasks/ID/heartbeat` | | `{}` |
  /// | `POST /v1/tasks/ID/result` | a line with `ResultMessage`, and a packed update | `ResultAnswer` |
  /// | `POST /v1/tasks/ID/failure` | `FailureMessage` | `{}` |
  ///
  /// - Returns: an answer of 200, or a `ServiceRefusal`'s status with `ErrorMessage`.
  public func handle(_ request: ServiceRequest) async -> ServiceResponse {
    await handle(request) { _ in request.body }
  }

  /// The answer to a request that was admitted, with its body.
  func answer(
    _ request: ServiceRequest,
    _ admitted: AdmittedRequest
  ) async throws(ServiceRefusal) -> ServiceResponse {
    switch (admitted.call, admitted.device, admitted.signature) {
    case (.status, _, _): return ServiceResponse(status)
    case (.register, _, let signature?): return try register(request, signature)
    case (.work, let device?, _): return try await work(request, device)
    case (.model(let id), let device?, _): return try model(id, device)
    case (.heartbeat(let id), let device?, _): return try heartbeat(id, device)
    case (.result(let id), let device?, _): return try result(request, id, device)
    case (.failure(let id), let device?, _): return try failure(request, id, device)
    case (.register, _, nil), (.work, nil, _), (.model, nil, _), (.heartbeat, nil, _),
      (.result, nil, _), (.failure, nil, _):
      throw .malformed("a request that nobody signed")
    }
  }

  // MARK: Who takes part

  private func register(
    _ request: ServiceRequest,
    _ signature: RequestSignature
  ) throws(ServiceRefusal) -> ServiceResponse {
    let name = signature.device
    let registration = try ServiceJSON.decoded(request.body, as: Registration.self)
    if let fault = registration.fault { throw .malformed(fault) }
    guard let key = DeviceRegistry.key(registration.publicKey) else {
      throw .malformed("the public key is not 32 bytes in base64")
    }
    try verify(signature, of: request, key)
    guard registration.task == sharedTask else {
      throw .otherTask(device: name, expected: sharedTask, found: registration.task)
    }
    let (seconds, now) = (date(), now)
    let count = try locked { (state) throws(ServiceRefusal) in
      if let known = state.registry.key(of: name),
        known.rawRepresentation != key.rawRepresentation, case .open = self.admission
      {
        throw .notAdmitted(device: name, reason: "another key has this name")
      }
      try state.nonces.check(signature, now: seconds)
      let device = try state.registry.register(name, registration, key: key)
      // Only now it is certain whose the request is: nobody is remembered for what others sign.
      state.nonces.add(signature)
      state.lastSeen[device.client] = now
      state.retryTime = 0
      return state.registry.devices.count
    }
    log(.registered(device: name, deviceClass: registration.deviceClass, count: count))
    return ServiceResponse(status)
  }

  // MARK: Tasks

  private func work(
    _ request: ServiceRequest,
    _ device: RegisteredDevice
  ) async throws(ServiceRefusal) -> ServiceResponse {
    let call = try ServiceJSON.decoded(request.body, as: TaskCall.self)
    let limit = now + min(max(call.waitSeconds.isFinite ? call.waitSeconds : 0, 0), 30)
    while true {
      let now = now
      let answer = locked { state -> TaskAnswer? in
        state.lastSeen[device.client] = now
        if state.isFinished {
          state.told.insert(device.client)
          return .finished
        }
        return state.task(of: device.client).map { .task(message(of: $0, at: now)) }
      }
      if let answer { return ServiceResponse(answer) }
      guard now < limit, !Task.isCancelled else {
        return ServiceResponse(TaskAnswer.wait(seconds: 1))
      }
      try? await Task.sleep(for: .milliseconds(50))
    }
  }

  private func message(of task: RoundTask, at now: Double) -> TaskMessage {
    TaskMessage(
      task: task,
      training: configuration.training,
      heartbeatSeconds: configuration.rounds.heartbeatSeconds,
      secondsLeft: task.deadline.map { max($0 - now, 0) },
      modelByteCount: DeviceCost(self.task.model, plan: task.plan).downlinkBytes
    )
  }

  /// A task of the device that asks, and the engine as it is now.
  private func open(
    _ id: Int,
    _ device: RegisteredDevice
  ) throws(ServiceRefusal) -> (task: RoundTask, engine: RoundEngine)? {
    let found = locked { state in
      state.engine.state.open[id].map { ($0.task, state.engine) }
    }
    guard let found else { return nil }
    guard found.0.client == device.client else { throw .foreignTask(id, device: device.name) }
    return found
  }

  private func model(
    _ id: Int,
    _ device: RegisteredDevice
  ) throws(ServiceRefusal) -> ServiceResponse {
    guard let (task, engine) = try open(id, device) else { throw .unknownTask(id) }
    let bytes: [UInt8]
    do throws(RoundError) { bytes = try engine.localModel(for: task).encoded() } catch {
      throw .internalFailure("\(error)")
    }
    locked { $0.engine.noteDownload(byteCount: bytes.count) }
    return ServiceResponse(status: 200, contentType: "application/octet-stream", body: bytes)
  }

  private func heartbeat(
    _ id: Int,
    _ device: RegisteredDevice
  ) throws(ServiceRefusal) -> ServiceResponse {
    guard try open(id, device) != nil else { throw .unknownTask(id) }
    let now = now
    try locked { (state) throws(ServiceRefusal) in
      do throws(RoundError) { try state.engine.heartbeat(task: id, now: now) } catch {
        throw .unknownTask(id)
      }
    }
    return ServiceResponse([String: String]())
  }

  private func failure(
    _ request: ServiceRequest,
    _ id: Int,
    _ device: RegisteredDevice
  ) throws(ServiceRefusal) -> ServiceResponse {
    let message = try ServiceJSON.decoded(request.body, as: FailureMessage.self)
    guard let (task, _) = try open(id, device) else { throw .unknownTask(id) }
    let reason = String(message.reason.onOneLine.prefix(500))
    let error: RoundError =
      message.kind == .outOfMemory
      ? .outOfMemory(client: device.client)
      : .invalidUpdate(client: device.client, reason: reason)
    giveBack(task, error)
    log(.failed(device: device.name, reason: reason))
    return ServiceResponse([String: String]())
  }

  /// Takes a task from its device; another one may get it.
  private func giveBack(_ task: RoundTask, _ error: RoundError) {
    let now = now
    locked { state in
      let issued = state.engine.fail(task: task.id, with: error, now: now)
      note(.failed, of: task, &state)
      assign([issued].compactMap { $0 }, &state)
    }
    wake.signal()
  }

  // MARK: Results

  private func result(
    _ request: ServiceRequest,
    _ id: Int,
    _ device: RegisteredDevice
  ) throws(ServiceRefusal) -> ServiceResponse {
    let (message, bytes) = try ResultMessage.parsed(request.body)
    guard let (task, engine) = try open(id, device) else {
      let reception = locked {
        $0.engine.receive(closed: id, checksum: message.checksum, byteCount: bytes.count)
      }
      // Where it was opened again meanwhile, the device sends it once more.
      guard let reception else { throw .unknownTask(id) }
      return try response(to: reception, task: id, device)
    }
    let prepared = try prepared(message, bytes, of: task, engine, device)
    let now = now
    let (reception, isReady) = locked { state in
      let reception = state.engine.submit([prepared], now: now)[0]
      switch reception {
      case .accepted, .acceptedLate:
        note(.finished(seconds: now - task.issued), of: task, &state)
      case .dropped, .rejected: note(.failed, of: task, &state)
      case .duplicate: break
      }
      return (reception, state.engine.isReady)
    }
    if isReady { wake.signal() }
    return try response(to: reception, task: id, device)
  }

  /// A result, checked and lifted, without the lock.
  private func prepared(
    _ message: ResultMessage,
    _ bytes: [UInt8],
    of task: RoundTask,
    _ engine: RoundEngine,
    _ device: RegisteredDevice
  ) throws(ServiceRefusal) -> PreparedResult {
    let local: LocalModel
    do throws(RoundError) { local = try engine.localModel(for: task) } catch {
      throw .internalFailure("\(error)")
    }
    let layout = UpdateLayout(local)
    let packed: PackedUpdate
    do throws(UpdateEncodingError) {
      packed = try PackedUpdate(decoding: bytes, layout: layout)
    } catch {
      giveBack(task, .invalidUpdate(client: device.client, reason: "\(error)"))
      throw .invalidUpdate(device: device.name, reason: "\(error)")
    }
    let update = ParameterUpdate(
      delta: packed.unpacked(layout),
      exampleCount: message.exampleCount,
      stepCount: message.stepCount,
      loss: message.loss
    )
    if let fault = normFault(of: update, local) {
      giveBack(task, .invalidUpdate(client: device.client, reason: fault))
      throw .invalidUpdate(device: device.name, reason: fault)
    }
    let result = RoundResult(of: task, update: update, message: message, byteCount: bytes.count)
    return engine.prepare(result, for: task, local: local)
  }

  /// Why an update is too large whatever others send, in words; nil where it is not.
  private func normFault(of update: ParameterUpdate, _ local: LocalModel) -> String? {
    // What cannot be lifted is refused by the engine.
    guard let limit = configuration.updateNormLimit, let lifted = try? local.lifted(update) else {
      return nil
    }
    let norm = lifted.delta.norm
    return norm <= limit ? nil : "its norm is \(Float(norm)), at most \(Float(limit)) is allowed"
  }

  private func response(
    to reception: Reception,
    task id: Int,
    _ device: RegisteredDevice
  ) throws(ServiceRefusal) -> ServiceResponse {
    switch reception {
    case .accepted, .acceptedLate: return ServiceResponse(ResultAnswer(outcome: .accepted))
    case .duplicate: return ServiceResponse(ResultAnswer(outcome: .duplicate))
    case .dropped: throw .late(task: id)
    case .rejected(.unknownTask): throw .unknownTask(id)
    case .rejected(.conflictingResult): throw .conflicting(task: id)
    case .rejected(let error): throw .invalidUpdate(device: device.name, reason: "\(error)")
    }
  }
}

extension RoundResult {
  /// A result whose numbers are what the device says, not what the task says.
  fileprivate init(
    of task: RoundTask,
    update: ParameterUpdate,
    message: ResultMessage,
    byteCount: Int
  ) {
    self.init(of: task, update: update, checksum: message.checksum, byteCount: byteCount)
    round = message.round
    planID = message.planID
    modelVersion = message.modelVersion
  }
}
