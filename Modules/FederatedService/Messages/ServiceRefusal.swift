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
  /// The request is as old as ones that are not remembered any more: those until so many milliseconds
  /// after 1970.
  case outdated(device: String, after: Int)
  /// The request names no session of the server, or that of another start.
  case otherSession(device: String, session: String)
  /// The device may not register.
  case notAdmitted(device: String, reason: String)
  /// The device learns something else than the server.
  case otherTask(device: String, expected: SharedTask, found: SharedTask)
  /// Another result of the device is being read.
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
    case .unknownDevice, .badSignature, .clockSkew, .replayed, .outdated, .otherSession: 401
    case .notAdmitted, .foreignTask: 403
    case .notFound, .unknownTask: 404
    case .conflicting, .otherTask: 409
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
    case .outdated: "outdated"
    case .otherSession: "other_session"
    case .notAdmitted: "not_admitted"
    case .otherTask: "other_task"
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
    case .outdated(let name, _):
      "a request of device '\(name)' is older than those that are remembered; take the server's time"
    case .otherSession(let name, let session):
      session.isEmpty
        ? "a request of device '\(name)' names no session of the server; sign anew"
        : "a request of device '\(name)' was signed for another start of the server; sign anew"
    case .otherTask(let name, let expected, let found):
      "device '\(name)' learns \(found), the server \(expected); give both the same task and network"
    case .notAdmitted(let name, let reason): "device '\(name)' is not admitted: \(reason)"
    case .tooManyRequests(let name):
      "another result of device '\(name)' is being read; wait a minute"
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
