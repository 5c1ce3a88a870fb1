/// Why the coordinator refuses a request.
public enum ServiceRefusal: Error, Hashable, Sendable {
  /// No device of this name has registered, or its key is not enrolled.
  case unknownDevice(String)
  /// The signature is not the device's.
  case badSignature(device: String)
  /// The device's clock is off by so many seconds: more than signatures may be old.
  case clockSkew(device: String, seconds: Double)
  /// The request was here before.
  case replayed(device: String)
  /// The device may not register.
  case notAdmitted(device: String, reason: String)
  /// So many requests in the time in which they can be told from replays.
  case tooManyRequests(device: String)
  /// So many devices are registered.
  case tooManyDevices(limit: Int)
  /// The request is not what it should be.
  case malformed(String)
  /// The body is longer than the plan's size.
  case tooLarge(bytes: Int, limit: Int)
  /// There is nothing at this path, or not by this method.
  case notFound(String)
  /// No task of this number is open.
  case unknownTask(Int)
  /// The task was given to another device.
  case foreignTask(Int, device: String)
  /// The result came after its round.
  case late(task: Int)
  /// Two different results for one task.
  case conflicting(task: Int)
  /// The result was unpacked and refused.
  case invalidUpdate(device: String, reason: String)
  /// The coordinator itself failed.
  case internalFailure(String)
}

extension ServiceRefusal {
  /// The status of HTTP.
  public var status: Int {
    switch self {
    case .unknownDevice, .badSignature, .clockSkew, .replayed: 401
    case .notAdmitted, .foreignTask: 403
    case .notFound, .unknownTask: 404
    case .conflicting: 409
    case .late: 410
    case .tooLarge: 413
    case .malformed: 400
    case .invalidUpdate: 422
    case .tooManyRequests, .tooManyDevices: 429
    case .internalFailure: 500
    }
  }

  /// A word for programs.
  public var code: String {
    switch self {
    case .unknownDevice: "unknown_device"
    case .badSignature: "bad_signature"
    case .clockSkew: "clock_skew"
    case .replayed: "replayed"
    case .notAdmitted: "not_admitted"
    case .tooManyRequests: "too_many_requests"
    case .tooManyDevices: "too_many_devices"
    case .malformed: "malformed"
    case .tooLarge: "too_large"
    case .notFound: "not_found"
    case .unknownTask: "unknown_task"
    case .foreignTask: "foreign_task"
    case .late: "late"
    case .conflicting: "conflicting"
    case .invalidUpdate: "invalid_update"
    case .internalFailure: "internal"
    }
  }
}

extension ServiceRefusal: CustomStringConvertible {
  /// What was refused, whose it was, and what to do.
  public var description: String {
    switch self {
    case .unknownDevice(let name): "device '\(name)' is not registered; register first"
    case .badSignature(let name): "the signature is not of device '\(name)'"
    case .clockSkew(let name, let seconds):
      "the clock of device '\(name)' is \(Int(seconds)) s away from the server's; take its time"
    case .replayed(let name): "a request of device '\(name)' came twice"
    case .notAdmitted(let name, let reason): "device '\(name)' is not admitted: \(reason)"
    case .tooManyRequests(let name): "device '\(name)' asks too often; wait a minute"
    case .tooManyDevices(let limit): "there are \(limit) devices already"
    case .malformed(let reason): "malformed request: \(reason)"
    case .tooLarge(let bytes, let limit): "\(bytes) bytes, at most \(limit) are expected"
    case .notFound(let path): "there is nothing at \(path)"
    case .unknownTask(let id): "task \(id) is not open; ask for a new one"
    case .foreignTask(let id, let name): "task \(id) is not of device '\(name)'"
    case .late(let id): "the round of task \(id) is over"
    case .conflicting(let id): "task \(id) has another result already"
    case .invalidUpdate(let name, let reason): "the result of device '\(name)': \(reason)"
    case .internalFailure(let reason): "the coordinator failed: \(reason)"
    }
  }
}
