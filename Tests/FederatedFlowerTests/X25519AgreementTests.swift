import Crypto
import Foundation
import Testing

@testable import FederatedFlower

@Suite struct X25519AgreementTests {
  // RFC 7748, 6.1: Bob's key, Alice's public bytes, and the secret they share.
  private static let secret = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
  private static let own = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
  private static let peer = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
  private static let shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"

  private func bytes(_ hex: String) -> [UInt8] {
    let digits = Array(hex)
    return stride(from: 0, to: digits.count, by: 2).compactMap {
      UInt8(String(digits[$0...$0 + 1]), radix: 16)
    }
  }

  @Test func keysAreThoseOfTheStandard() throws {
    let agreement = X25519Agreement(.masks)
    #expect(try agreement.publicKey(of: bytes(Self.secret)) == bytes(Self.own))
    let derived = try agreement.sharedSecret(
      privateKey: bytes(Self.secret),
      publicKey: bytes(Self.peer)
    )
    let expected = HKDF<SHA256>.deriveKey(
      inputKeyMaterial: SymmetricKey(data: bytes(Self.shared)),
      salt: bytes(Self.peer) + bytes(Self.own),
      info: Array("apus secure aggregation, masks, version 1".utf8),
      outputByteCount: 32
    )
    #expect(derived == expected.withUnsafeBytes { Array($0) })
  }

  @Test func bothSidesDeriveTheSameAndNothingElse() throws {
    let masks = X25519Agreement(.masks)
    let keys = (0..<3).map { _ in X25519Agreement.newPrivateKey() }
    let publics = try keys.map { try masks.publicKey(of: $0) }
    let bytes = try masks.sharedSecret(privateKey: keys[0], publicKey: publics[1])
    #expect(bytes.count == 32)
    #expect(try masks.sharedSecret(privateKey: keys[1], publicKey: publics[0]) == bytes)
    #expect(try masks.sharedSecret(privateKey: keys[0], publicKey: publics[2]) != bytes)
    let shares = X25519Agreement(.shares)
    #expect(try shares.sharedSecret(privateKey: keys[0], publicKey: publics[1]) != bytes)
  }

  /// The point zero has the same secret with everybody (RFC 7748, 6.1).
  @Test func keysThatGiveTheSecretAwayAreRefused() {
    let (agreement, own) = (X25519Agreement(.masks), X25519Agreement.newPrivateKey())
    for bytes in [[], [UInt8](repeating: 0, count: 32), [UInt8](repeating: 1, count: 31)] {
      #expect(throws: AgreementError.malformedKey(byteCount: bytes.count)) {
        try agreement.sharedSecret(privateKey: own, publicKey: bytes)
      }
    }
    #expect(throws: AgreementError.malformedKey(byteCount: 31)) {
      try agreement.publicKey(of: [UInt8](repeating: 7, count: 31))
    }
  }

  @Test func sharesAreReadByTheirKeyAlone() throws {
    let key = [UInt8](repeating: 9, count: 32)
    let sealed = try SealedShares.seal([1, 2, 3], key: key)
    #expect(try SealedShares.open(sealed, key: key) == [1, 2, 3])
    #expect(throws: AgreementError.notAuthentic) {
      try SealedShares.open(sealed, key: [UInt8](repeating: 8, count: 32))
    }
    for place in sealed.indices {
      var changed = sealed
      changed[place] ^= 1
      #expect(throws: AgreementError.notAuthentic) { try SealedShares.open(changed, key: key) }
      #expect(throws: AgreementError.notAuthentic) {
        try SealedShares.open(Array(sealed[..<place]), key: key)
      }
    }
    #expect(try SealedShares.seal([1, 2, 3], key: key) != sealed)
  }
}
