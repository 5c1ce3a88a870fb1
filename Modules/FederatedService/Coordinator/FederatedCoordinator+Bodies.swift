import Crypto
import Federated
import Tensor

/// A request that may bring its body.
struct AdmittedRequest {
  var call: ServiceCall
  /// Who signed it; nil for calls that anybody may make.
  var signature: RequestSignature?
  /// The device of the signature; nil where it has not registered yet.
  var device: RegisteredDevice?
  /// The longest body.
  var limit: Int
  /// Whether the device may bring no other body meanwhile.
  var isReserved = false
}

extension FederatedCoordinator {
  /// Answers a request whose body has not been read yet.
  ///
  /// What a request may bring is decided by its head: who signed it, and what that device was given
  /// to do. Nothing is read of a request that is refused by then.
  ///
  /// - Parameters:
  ///   - head: the request without its body.
  ///   - body: reads the body; given the most bytes that it may have, it stops behind them, and
  ///     returns more than so many where the body is longer.
  /// - Returns: an answer of 200, or a `ServiceRefusal`'s status with `ErrorMessage`; to HEAD without
  ///   its body.
  /// - Throws: what `body` throws.
  public func handle<Failure: Error>(
    _ head: ServiceRequest,
    reading body: (_ limit: Int) async throws(Failure) -> [UInt8]
  ) async throws(Failure) -> ServiceResponse {
    var response = try await response(to: head, reading: body)
    response.headers[RequestSignature.Field.session] = session
    if head.method == "HEAD" {
      response.headers["content-length"] = "\(response.body.count)"
      response.body = []
    }
    return response
  }

  private func response<Failure: Error>(
    to head: ServiceRequest,
    reading body: (_ limit: Int) async throws(Failure) -> [UInt8]
  ) async throws(Failure) -> ServiceResponse {
    let admitted: AdmittedRequest
    do throws(ServiceRefusal) { admitted = try admit(head) } catch {
      return refusal(error, path: head.path)
    }
    defer { release(admitted) }
    var request = head
    request.body = try await body(admitted.limit)
    do throws(ServiceRefusal) {
      guard request.body.count <= admitted.limit else {
        throw .tooLarge(bytes: request.body.count, limit: admitted.limit)
      }
      if let signature = admitted.signature, !signature.covers(request.body) {
        throw .badSignature(device: signature.device)
      }
      return try await answer(request, admitted)
    } catch {
      return refusal(error, path: request.path)
    }
  }

  /// The answer to a request that is refused, which is logged too.
  private func refusal(_ refusal: ServiceRefusal, path: String) -> ServiceResponse {
    // The first request of every device is one without a session.
    var isGreeting = false
    if case .otherSession(_, session: "") = refusal { isGreeting = true }
    if !isGreeting { log(.refused(path: String(path.prefix(128)), refusal)) }
    var time = Int(date() * 1000)
    // A device whose clock went back goes on after its own last requests.
    if case .outdated(_, let last) = refusal { time = max(time, last + 2) }
    var response = ServiceResponse(refusal)
    response.headers[RequestSignature.Field.time] = "\(time)"
    return response
  }

  /// Enough for every message of JSON.
  private static var smallBody: Int { 16_384 }

  private func admit(_ head: ServiceRequest) throws(ServiceRefusal) -> AdmittedRequest {
    guard let call = ServiceCall(head.method, head.path) else {
      throw .notFound(String("\(head.method) \(head.path)".prefix(128)))
    }
    var admitted = AdmittedRequest(call: call, limit: Self.smallBody)
    switch call {
    case .status: break
    case .register: admitted.signature = try signature(of: head)
    case .work, .model, .heartbeat, .failure, .result:
      let signature = try signature(of: head)
      (admitted.signature, admitted.device) = (signature, try authenticate(head, signature))
    }
    if case .result(let id) = call, let device = admitted.device {
      admitted.limit += try reserve(id, device)
      admitted.isReserved = true
    }
    if let announced = head.headers["content-length"].flatMap({ Int($0) }),
      announced > admitted.limit
    {
      release(admitted)
      throw .tooLarge(bytes: announced, limit: admitted.limit)
    }
    return admitted
  }

  /// The signature of a request that was made for this start of the server.
  private func signature(of head: ServiceRequest) throws(ServiceRefusal) -> RequestSignature {
    let signature = try RequestSignature(head.headers)
    guard signature.session == session else {
      throw .otherSession(device: signature.device, session: signature.session)
    }
    return signature
  }

  /// The device that signed a request; it is seen by that.
  private func authenticate(
    _ head: ServiceRequest,
    _ signature: RequestSignature
  ) throws(ServiceRefusal) -> RegisteredDevice {
    let known = locked {
      ($0.registry[signature.device], $0.registry.key(of: signature.device))
    }
    guard let device = known.0, let key = known.1 else { throw .unknownDevice(signature.device) }
    try verify(signature, of: head, key)
    let (seconds, now) = (date(), now)
    try locked { (state) throws(ServiceRefusal) in
      try state.nonces.check(signature, now: seconds)
      state.nonces.add(signature)
      state.lastSeen[device.client] = now
    }
    return device
  }

  /// Stops unless a key made the signature, and whoever has it may take part.
  func verify(
    _ signature: RequestSignature,
    of head: ServiceRequest,
    _ key: Curve25519.Signing.PublicKey
  ) throws(ServiceRefusal) {
    let name = signature.device
    guard signature.isValid(for: head, key: key) else { throw .badSignature(device: name) }
    let token = head.headers["authorization"]
    if let fault = admission.fault(of: name, key: key, authorization: token) {
      throw .notAdmitted(device: name, reason: fault)
    }
  }

  /// The most bytes of an update for a task of a device, which brings no other one meanwhile.
  ///
  /// A closed task has its limit too: what comes may be a duplicate.
  private func reserve(_ id: Int, _ device: RegisteredDevice) throws(ServiceRefusal) -> Int {
    try locked { (state) throws(ServiceRefusal) in
      guard let known = state.updateLimits[id], state.engine.remembers(task: id) else {
        throw .unknownTask(id)
      }
      guard known.client == device.client else { throw .foreignTask(id, device: device.name) }
      guard state.readers.insert(device.client).inserted else {
        throw .tooManyRequests(device: device.name)
      }
      return known.byteCount
    }
  }

  private func release(_ admitted: AdmittedRequest) {
    guard admitted.isReserved, let client = admitted.device?.client else { return }
    _ = locked { $0.readers.remove(client) }
  }

  /// Notes tasks that were given out, and how large their results may be.
  ///
  /// An update may take nine bytes for each number that its plan trains: five of place, four of value.
  func assign(_ issued: [RoundTask], _ state: inout CoordinatorState) {
    for task in issued {
      state.tasks[task.client] = task.id
      state.updateLimits[task.id] = UpdateLimit(
        client: task.client,
        byteCount: 9 * DeviceCost(self.task.model, plan: task.plan).trainedCount
      )
    }
  }
}
