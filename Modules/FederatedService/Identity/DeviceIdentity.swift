public import Crypto

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

/// The key by which the coordinator knows a device.
///
///     let identity = try DeviceIdentity.loadOrCreate(path: "device.key")
///     print(identity.publicKey)              // for the operator's list
///
/// Ed25519 (RFC 8032): the private key is 32 bytes, in a file as one line of base64.
public struct DeviceIdentity: Sendable {
  /// The key.
  public let key: Curve25519.Signing.PrivateKey

  /// The identity of a key; without one a new identity.
  public init(key: Curve25519.Signing.PrivateKey = Curve25519.Signing.PrivateKey()) {
    self.key = key
  }

  /// The public key as registrations and lists have it.
  public var publicKey: String { key.publicKey.rawRepresentation.base64EncodedString() }

  /// The largest key file that is read.
  private static let mostBytes = 4096

  /// The identity that a key file holds.
  ///
  /// - Throws: `ServiceError.keyFile`.
  public init(path: String) throws(ServiceError) {
    let number = open(path, O_RDONLY | O_CLOEXEC)
    defer { close(number) }
    var text = [UInt8](repeating: 0, count: Self.mostBytes)
    let count = read(number, &text, text.count)
    guard count >= 0 else { throw .keyFile(path: path, reason: "it cannot be read") }
    let words = String(decoding: text[..<count], as: UTF8.self)
      .split(whereSeparator: \.isWhitespace)
    guard words.count == 1, let bytes = Data(base64Encoded: String(words[0])),
      let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: bytes)
    else { throw .keyFile(path: path, reason: "it is not one line with 32 bytes in base64") }
    self.init(key: key)
  }

  /// The identity of a key file; makes the file, readable by its owner only, where there is none.
  ///
  /// Two processes that start at once get the same key.
  ///
  /// - Throws: `ServiceError.keyFile`.
  public static func loadOrCreate(path: String) throws(ServiceError) -> DeviceIdentity {
    if FileManager.default.fileExists(atPath: path) { return try DeviceIdentity(path: path) }
    try DeviceIdentity().create(path: path)
    return try DeviceIdentity(path: path)
  }

  /// Writes the key to a new file of mode 0600; another one that appeared meanwhile stays.
  private func create(path: String) throws(ServiceError) {
    func fault(_ what: String) -> ServiceError {
      .keyFile(path: path, reason: "it cannot be \(what), \(String(cString: strerror(errno)))")
    }
    let temporary = path + ".\(UUID().uuidString).tmp"
    let number = open(temporary, O_WRONLY | O_CREAT | O_EXCL, 0o600)
    guard number >= 0 else { throw fault("created") }
    defer { unlink(temporary) }
    let bytes = Array((key.rawRepresentation.base64EncodedString() + "\n").utf8)
    let written = write(number, bytes, bytes.count)
    let isSafe = fsync(number) == 0
    guard close(number) == 0, isSafe, written == bytes.count else { throw fault("written") }
    guard link(temporary, path) == 0 || errno == EEXIST else { throw fault("placed") }
  }
}
