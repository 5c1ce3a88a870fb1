public import Federated

/// Why a coordinator or a device cannot begin or go on.
public enum ServiceError: Error, Hashable, Sendable {
  /// A key that cannot be read, made or used.
  case keyFile(path: String, reason: String)
  /// A list of devices with a line that is none.
  case deviceList(path: String, line: Int, reason: String)
  /// Settings that make no sense.
  case settings(String)
  /// Saved state that cannot be read or written.
  case state(String)
  /// A folder of state in which another coordinator works.
  case folderInUse(path: String)
  /// A folder of state that belongs to another task, or to a federation with other settings.
  case otherFederation(path: String, [SettingDifference])
  /// A round that cannot go on.
  case round(RoundError)
  /// The model does not fit the task.
  case training(String)
  /// An address that is none.
  case invalidAddress(String, reason: String)
  /// A file of certificates that holds none.
  case certificate(path: String, reason: String)
  /// The server refuses the device for good.
  case refused(ErrorMessage.Problem)
  /// The server could not be reached for so long that the device gave up.
  case unreachable(String)
}

extension ServiceError: CustomStringConvertible {
  /// What is wrong, where, and what to do; on one line, whatever the other side wrote.
  public var description: String { text.onOneLine }

  private var text: String {
    switch self {
    case .keyFile(let path, let reason): "key file \(path): \(reason)"
    case .deviceList(let path, let line, let reason): "device list \(path), line \(line): \(reason)"
    case .settings(let reason): "federation: \(reason)"
    case .state(let reason): "federation state: \(reason)"
    case .folderInUse(let path):
      "federation state: another coordinator works in \(path); stop it, or choose another folder"
    case .otherFederation(let path, let differences):
      "federation state: \(path) belongs to another federation, "
        + differences.map { "\($0)" }.joined(separator: ", ")
        + "; give the settings that it began with, or choose another folder"
    case .round(let error): "federation: \(error)"
    case .training(let reason): "federation: \(reason)"
    case .invalidAddress(let address, let reason):
      "federation address '\(address)': \(reason); write https://host:port"
    case .certificate(let path, let reason): "federation certificate \(path): \(reason)"
    case .refused(let problem): "the server refuses this device: \(problem.message)"
    case .unreachable(let reason): "the server cannot be reached: \(reason)"
    }
  }
}
