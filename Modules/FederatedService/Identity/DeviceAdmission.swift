import Crypto

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// Who may take part; asked for every request, not only when a device registers.
///
/// So a name that is taken from a list, a key that is exchanged there, or a token that is changed, ends
/// what was registered before, from the coordinator's next start on.
public enum DeviceAdmission: Sendable {
  /// The devices of a list, by name and public key.
  case enrolled([String: String])
  /// Whoever comes; with a token, whoever knows it. The first key of a name keeps it.
  case open(token: String?)

  /// The devices of a list in a file: a name and a public key on each line; `#` begins a comment.
  ///
  /// - Throws: `ServiceError.deviceList` with the line that is none.
  public static func enrolled(path: String) throws(ServiceError) -> DeviceAdmission {
    let text: String
    do { text = try String(contentsOfFile: path, encoding: .utf8) } catch {
      throw .deviceList(path: path, line: 0, reason: "it cannot be read")
    }
    var keys: [String: String] = [:]
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
      if words.isEmpty { continue }
      guard words.count == 2, DeviceName.isValid(String(words[0])),
        DeviceRegistry.key(String(words[1])) != nil
      else {
        throw .deviceList(path: path, line: index + 1, reason: "not a name and a public key")
      }
      guard keys.updateValue(String(words[1]), forKey: String(words[0])) == nil else {
        throw .deviceList(path: path, line: index + 1, reason: "'\(words[0])' comes twice")
      }
    }
    return .enrolled(keys)
  }

  /// Why a device may not take part, in words; nil where it may.
  ///
  /// - Parameters:
  ///   - name: of the device.
  ///   - key: the key that it signs with.
  ///   - header: what it sends as its authorization.
  /// - Returns: the reason.
  func fault(
    of name: String,
    key: Curve25519.Signing.PublicKey,
    authorization header: String?
  ) -> String? {
    switch self {
    case .enrolled(let keys):
      guard let listed = keys[name] else { return "it is not on the list" }
      let isSame = DeviceRegistry.key(listed)?.rawRepresentation == key.rawRepresentation
      return isSame ? nil : "the list has another key"
    case .open(nil): return nil
    case .open(let token?):
      // Digests of equal length are compared in constant time.
      let expected = SHA256.hash(data: Data("Bearer \(token)".utf8))
      return expected == SHA256.hash(data: Data((header ?? "").utf8)) ? nil : "the token is wrong"
    }
  }
}
