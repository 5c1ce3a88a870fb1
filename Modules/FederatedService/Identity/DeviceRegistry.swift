import Checkpoints
import Crypto
import Federated

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A device that has registered.
struct RegisteredDevice: Codable, Hashable, Sendable {
  /// Its number in the rounds.
  var client: Int
  var name: String
  var registration: Registration
}

/// The devices that have registered, in the order of their numbers; survives a restart.
struct DeviceRegistry: Sendable {
  private(set) var devices: [RegisteredDevice] = []
  private var places: [String: Int] = [:]
  private var keys: [String: Curve25519.Signing.PublicKey] = [:]
  let path: String?
  let limit: Int

  /// The registry of a file; empty where there is none.
  ///
  /// - Throws: `ServiceError.state`.
  init(path: String?, limit: Int) throws(ServiceError) {
    (self.path, self.limit) = (path, limit)
    guard let path, FileManager.default.fileExists(atPath: path) else { return }
    do {
      let data = try Data(contentsOf: URL(fileURLWithPath: path))
      devices = try JSONDecoder().decode([RegisteredDevice].self, from: data)
    } catch {
      throw .state("\(path) is no list of devices; move it away to begin without it")
    }
    for (place, device) in devices.enumerated() {
      guard device.client == place, let key = Self.key(device.registration.publicKey) else {
        throw .state("\(path): device '\(device.name)' is damaged")
      }
      places[device.name] = place
      keys[device.name] = key
    }
  }

  static func key(_ text: String) -> Curve25519.Signing.PublicKey? {
    Data(base64Encoded: text).flatMap { try? Curve25519.Signing.PublicKey(rawRepresentation: $0) }
  }

  /// The device of a name; nil if it never registered.
  subscript(name: String) -> RegisteredDevice? { places[name].map { devices[$0] } }

  /// The key of a device.
  func key(of name: String) -> Curve25519.Signing.PublicKey? { keys[name] }

  /// Takes a registration; a device that comes back gets its number again.
  ///
  /// - Throws: `ServiceRefusal.tooManyDevices`, or `.internalFailure` where the list cannot be written:
  ///   then nothing has changed.
  mutating func register(
    _ name: String,
    _ registration: Registration,
    key: Curve25519.Signing.PublicKey
  ) throws(ServiceRefusal) -> RegisteredDevice {
    if let known = self[name], known.registration == registration { return known }
    var next = self
    let client = places[name] ?? devices.count
    guard client < limit else { throw .tooManyDevices(limit: limit) }
    let device = RegisteredDevice(client: client, name: name, registration: registration)
    if client == devices.count {
      next.devices.append(device)
    } else {
      next.devices[client] = device
    }
    next.places[name] = client
    next.keys[name] = key
    if let path {
      do { try AtomicFile.write(ServiceJSON.encoded(next.devices), to: path) } catch {
        throw .internalFailure("\(error)")
      }
    }
    self = next
    return device
  }
}
