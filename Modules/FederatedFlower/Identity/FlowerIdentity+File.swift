import Crypto
import Foundation

extension FlowerIdentity {
  /// The largest key file that is read.
  private static let mostBytes = 65_536

  /// The identity that a key file holds: PKCS#8 PEM, SEC 1 PEM, or OpenSSH without a passphrase.
  ///
  /// - Throws: `FlowerError.keyFile`.
  public init(path: String) throws(FlowerError) {
    let text: String
    do {
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      guard let size = attributes[.size] as? Int, size <= Self.mostBytes else {
        throw FlowerError.keyFile(path: path, reason: "too large for a key")
      }
      text = try String(contentsOfFile: path, encoding: .utf8)
    } catch let error as FlowerError {
      throw error
    } catch {
      throw .keyFile(path: path, reason: "cannot be read, \(error.localizedDescription)")
    }
    try self.init(text: text, path: path)
  }

  /// The identity that the text of a key file holds; `path` is for messages.
  init(text: String, path: String) throws(FlowerError) {
    if text.contains("-----BEGIN OPENSSH PRIVATE KEY-----") {
      self.init(key: try OpenSSHKey.privateKey(text, path: path))
      return
    }
    guard !text.contains("ENCRYPTED") else {
      throw .keyFile(path: path, reason: OpenSSHKey.passphraseAdvice)
    }
    do {
      self.init(key: try P384.Signing.PrivateKey(pemRepresentation: text))
    } catch {
      throw .keyFile(
        path: path,
        reason: "no private key on NIST P-384 in PKCS#8, SEC 1 or OpenSSH form"
      )
    }
  }

  /// The identity of a key file; makes the file, readable by its owner only, where there is none.
  ///
  /// Two processes that start at once get the same key.
  ///
  /// - Throws: `FlowerError.keyFile`.
  public static func loadOrCreate(path: String) throws(FlowerError) -> FlowerIdentity {
    if FileManager.default.fileExists(atPath: path) { return try FlowerIdentity(path: path) }
    let identity = FlowerIdentity()
    try identity.create(path: path)
    return try FlowerIdentity(path: path)
  }

  /// Writes the key to a new file of mode 0600; another one that appeared meanwhile stays.
  private func create(path: String) throws(FlowerError) {
    let temporary = path + ".\(UUID().uuidString).tmp"
    let number = open(temporary, O_WRONLY | O_CREAT | O_EXCL, 0o600)
    guard number >= 0 else {
      throw .keyFile(path: path, reason: "cannot be created, \(String(cString: strerror(errno)))")
    }
    defer { unlink(temporary) }
    let bytes = Array((key.pemRepresentation + "\n").utf8)
    let written = write(number, bytes, bytes.count)
    let isSafe = fsync(number) == 0
    guard close(number) == 0, isSafe, written == bytes.count else {
      throw .keyFile(path: path, reason: "cannot be written, \(String(cString: strerror(errno)))")
    }
    guard link(temporary, path) == 0 || errno == EEXIST else {
      throw .keyFile(path: path, reason: "cannot be placed, \(String(cString: strerror(errno)))")
    }
  }
}
