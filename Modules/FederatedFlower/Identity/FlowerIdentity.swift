public import Crypto
import Foundation

/// The key by which a server knows a node.
///
/// Every call carries the public key and a signed time stamp. Whoever comes back with the same key
/// is the same node.
public struct FlowerIdentity: Sendable {
  /// The NIST P-384 key.
  public let key: P384.Signing.PrivateKey
  /// The public key as the server stores it: PEM, with a final line feed as Python writes it.
  ///
  /// The server compares bytes.
  let publicKey: Data

  /// The identity of a key.
  public init(key: P384.Signing.PrivateKey) {
    self.key = key
    publicKey = Data((key.publicKey.pemRepresentation + "\n").utf8)
  }

  /// A new identity.
  public init() { self.init(key: P384.Signing.PrivateKey()) }

  /// The public key as PEM, `-----BEGIN PUBLIC KEY-----` and so on.
  public var publicKeyPEM: String { String(decoding: publicKey, as: UTF8.self) }

  /// The public key as OpenSSH writes it in a `.pub` file.
  public var publicKeyOpenSSH: String { OpenSSHKey.publicLine(of: key.publicKey) }

  /// A signature of a text: ECDSA over its SHA-256, DER encoded.
  ///
  /// P-384 is signed with SHA-384 unless a digest says otherwise; the server checks SHA-256.
  func signature(of text: String) throws(FlowerError) -> Data {
    do {
      return try key.signature(for: SHA256.hash(data: Data(text.utf8))).derRepresentation
    } catch {
      throw .keyFile(path: "in memory", reason: "signing failed, \(error)")
    }
  }
}
