import Crypto
import Foundation

/// OpenSSH's own form of keys.
///
///     "openssh-key-v1" 00 | cipher | key derivation | its options | count
///       | public key | section: check, check, type, curve, point, scalar, comment, padding
///
/// Texts are preceded by their length in four bytes, the most significant first.
///
/// - Source: OpenSSH, PROTOCOL.key; RFC 5656 for the curve's names.
enum OpenSSHKey {
  static let passphraseAdvice =
    "protected by a passphrase; take it off with ssh-keygen -p -N '' -f FILE"
  private static let type = "ecdsa-sha2-nistp384"
  private static let curve = "nistp384"
  private static let scalarBytes = 48

  /// The private key in a file's text.
  static func privateKey(
    _ text: String,
    path: String
  ) throws(FlowerError) -> P384.Signing.PrivateKey {
    do throws(Fault) {
      return try privateKey(text)
    } catch {
      throw .keyFile(path: path, reason: error.reason)
    }
  }

  private static func privateKey(_ text: String) throws(Fault) -> P384.Signing.PrivateKey {
    let lines = text.split(whereSeparator: \.isNewline).map {
      $0.trimmingCharacters(in: .whitespaces)
    }
    guard let first = lines.firstIndex(of: "-----BEGIN OPENSSH PRIVATE KEY-----"),
      let last = lines[first...].firstIndex(of: "-----END OPENSSH PRIVATE KEY-----"),
      let bytes = Data(base64Encoded: lines[first + 1..<last].joined())
    else { throw Fault("not base64 between the marks of an OpenSSH key") }
    var reader = Reader(bytes)
    try reader.skip(Array("openssh-key-v1".utf8) + [0])
    let cipher = try reader.text()
    let derivation = try reader.text()
    _ = try reader.bytes()
    guard cipher == "none", derivation == "none" else { throw Fault(passphraseAdvice) }
    guard try reader.integer() == 1 else { throw Fault("it holds several keys") }
    _ = try reader.bytes()
    var section = Reader(try reader.bytes())
    return try privateKey(&section)
  }

  private static func privateKey(_ section: inout Reader) throws(Fault) -> P384.Signing.PrivateKey {
    guard try section.integer() == section.integer() else { throw Fault("its check fails") }
    let type = try section.text()
    guard type == self.type, try section.text() == curve else {
      throw Fault("a key of type \(type.prefix(60)), \(self.type) is needed")
    }
    let point = try section.bytes()
    var scalar = try section.bytes()
    while scalar.first == 0 { scalar.removeFirst() }
    guard scalar.count <= scalarBytes else { throw Fault("its scalar is too long") }
    let padded = Data(repeating: 0, count: scalarBytes - scalar.count) + scalar
    guard let key = try? P384.Signing.PrivateKey(rawRepresentation: padded),
      key.publicKey.x963Representation == point
    else { throw Fault("its private and public halves do not belong together") }
    return key
  }

  /// The line of a `.pub` file.
  static func publicLine(of key: P384.Signing.PublicKey) -> String {
    var bytes = Data()
    for part in [Data(type.utf8), Data(curve.utf8), key.x963Representation] {
      withUnsafeBytes(of: UInt32(part.count).bigEndian) { bytes.append(contentsOf: $0) }
      bytes.append(part)
    }
    return "\(type) \(bytes.base64EncodedString())"
  }

  private struct Fault: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
  }

  private struct Reader {
    private var rest: Data

    init(_ bytes: Data) { rest = bytes }

    mutating func skip(_ prefix: [UInt8]) throws(Fault) {
      guard rest.starts(with: prefix) else { throw Fault("not OpenSSH's format of keys") }
      rest = rest.dropFirst(prefix.count)
    }

    mutating func integer() throws(Fault) -> UInt32 {
      guard rest.count >= 4 else { throw Fault("it ends early") }
      defer { rest = rest.dropFirst(4) }
      return rest.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    mutating func bytes() throws(Fault) -> Data {
      let count = Int(try integer())
      guard rest.count >= count else { throw Fault("it ends early") }
      defer { rest = rest.dropFirst(count) }
      return Data(rest.prefix(count))
    }

    mutating func text() throws(Fault) -> String { String(decoding: try bytes(), as: UTF8.self) }
  }
}
