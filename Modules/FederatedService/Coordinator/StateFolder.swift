import Autograd
import Checkpoints
import Federated

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

// The folder of a coordinator's state:
//
//     lock               held by the coordinator that works there
//     federation.json    `FederationSettings`
//     devices.json       `DeviceRegistry`
//     rounds/            a checkpoint for each of the last rounds

/// The folder of a coordinator's state: of one federation, and of one coordinator at a time.
///
/// The hold is an advisory lock of the system: it ends with the process, and does nothing on file
/// systems without locks.
final class StateFolder: Sendable {
  let path: String
  private let lock: Int32

  /// Takes a folder, and makes it where there is none.
  ///
  /// - Throws: `ServiceError.folderInUse`, `.otherFederation`, `.state`.
  init(claiming path: String, for settings: FederationSettings) throws(ServiceError) {
    self.path = path
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let name = path + "/lock"
    let number = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard number >= 0 else {
      throw .state("\(name) cannot be opened, \(String(cString: strerror(errno)))")
    }
    lock = number
    if flock(number, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
      throw .folderInUse(path: path)
    }
    try check(settings)
  }

  // A process that is being started has a copy of the descriptor for a moment, so closing it would
  // not end the hold.
  deinit {
    flock(lock, LOCK_UN)
    close(lock)
  }

  /// The file of the devices.
  var devicesPath: String { path + "/devices.json" }

  private var roundsPath: String { path + "/rounds" }

  /// The checkpoints of the rounds.
  func checkpoints() throws(ServiceError) -> CheckpointFolder {
    do { return try CheckpointFolder(at: roundsPath, keeping: 2) } catch {
      throw .state("\(error)")
    }
  }

  /// Stops unless the folder belongs to these settings; a new one does from now on.
  private func check(_ settings: FederationSettings) throws(ServiceError) {
    let file = path + "/federation.json"
    let given = try settings.json()
    guard FileManager.default.fileExists(atPath: file) else {
      guard isNew else {
        throw .state(
          "\(path) holds devices or rounds, but no federation.json that says of what; choose another "
            + "folder"
        )
      }
      do { return try given.write(to: file) } catch { throw .state("\(error)") }
    }
    let saved: JSONValue
    do { saved = try JSONValue.read(file) } catch { throw .state("\(error)") }
    let differences = SettingDifference.between(saved, given)
    guard differences.isEmpty else { throw .otherFederation(path: path, differences) }
  }

  private var isNew: Bool {
    let rounds = (try? FileManager.default.contentsOfDirectory(atPath: roundsPath)) ?? []
    return rounds.isEmpty && !FileManager.default.fileExists(atPath: devicesPath)
  }
}
