import Checkpoints
import Crypto
import Foundation
import TestSupport
import Testing

@testable import FederatedFlower

@Suite struct FlowerIdentityTests {
  private let keys: JSONValue

  init() throws {
    let path = Fixtures.file("flower/keys.json")
    keys = try JSONValue.parse(Data(contentsOf: URL(fileURLWithPath: path)))
  }

  @Test func everyFormOfKeyFileIsRead() throws {
    let files = try #require(keys["files"]?.objectValue)
    #expect(files.count == 6)
    for (name, text) in files {
      let identity = try FlowerIdentity(text: try #require(text.stringValue), path: name)
      let expected = name.hasSuffix("_short") ? keys["public_short"] : keys["public"]
      #expect(identity.publicKeyPEM == expected?["pem"]?.stringValue, "\(name)")
      #expect(identity.publicKeyOpenSSH == expected?["ssh"]?.stringValue, "\(name)")
    }
  }

  @Test func otherKeysAreRefused() throws {
    let files = try #require(keys["refused"]?.objectValue)
    #expect(files.count == 6)
    for (name, text) in files {
      let text = try #require(text.stringValue)
      let error = try #require(throws: FlowerError.self) {
        try FlowerIdentity(text: text, path: "here")
      }
      guard case .keyFile("here", let reason) = error else {
        Issue.record("\(error)")
        continue
      }
      #expect(reason.contains("passphrase") == name.hasSuffix("passphrase"), "\(name): \(reason)")
    }
  }

  @Test func brokenKeyFilesAreRefused() throws {
    let whole = try #require(keys["files"]?["openssh"]?.stringValue)
    let lines = whole.split(separator: "\n").map(String.init)
    let body = try #require(Data(base64Encoded: lines[1..<lines.count - 1].joined()))
    for count in 0..<body.count {
      for bytes in [Data(body.prefix(count)), flipped(body, at: count)] {
        let text = [lines[0], bytes.base64EncodedString(), lines[lines.count - 1]]
          .joined(separator: "\n")
        // A flipped bit in the comment or the padding changes no key.
        let identity = try? FlowerIdentity(text: text, path: "")
        #expect(
          identity == nil || identity?.publicKeyPEM == keys["public"]?["pem"]?.stringValue
        )
      }
    }
  }

  private func flipped(_ bytes: Data, at place: Int) -> Data {
    var bytes = bytes
    bytes[place] ^= 1
    return bytes
  }

  /// RFC 6979, A.2.6: P-384 with SHA-256, message "sample".
  @Test func signaturesAreOverSHA256() throws {
    let identity = try FlowerIdentity(
      text: try #require(keys["files"]?["pkcs8"]?.stringValue),
      path: ""
    )
    let message = try #require(keys["message"]?.stringValue)
    let digest = SHA256.hash(data: Data(message.utf8))
    let raw = try #require(hex(keys["r"]?.stringValue)) + #require(hex(keys["s"]?.stringValue))
    let published = try P384.Signing.ECDSASignature(rawRepresentation: raw)
    let python = try P384.Signing.ECDSASignature(
      derRepresentation: try #require(base64(keys["der_of_python"]))
    )
    let own = try P384.Signing.ECDSASignature(
      derRepresentation: try identity.signature(of: message)
    )
    for signature in [published, python, own] {
      #expect(identity.key.publicKey.isValidSignature(signature, for: digest))
    }
    #expect(!identity.key.publicKey.isValidSignature(own, for: Data(message.utf8)))
  }

  private func hex(_ text: String?) -> Data? {
    guard let text else { return nil }
    let digits = Array(text)
    return Data(
      stride(from: 0, to: digits.count, by: 2).compactMap {
        UInt8(String(digits[$0...$0 + 1]), radix: 16)
      }
    )
  }

  @Test func aNewKeyFileIsItsOwnersAlone() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/node.pem"
      let first = try FlowerIdentity.loadOrCreate(path: path)
      let second = try FlowerIdentity.loadOrCreate(path: path)
      #expect(first.publicKeyPEM == second.publicKeyPEM)
      let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
      #expect(mode == 0o600)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["node.pem"])
    }
  }

  @Test func aKeyFileThatCannotBeIsNamed() throws {
    let error = #expect(throws: FlowerError.self) {
      try FlowerIdentity.loadOrCreate(path: "/nowhere/at/all/node.pem")
    }
    #expect(error?.description.contains("/nowhere/at/all/node.pem") == true)
  }
}
