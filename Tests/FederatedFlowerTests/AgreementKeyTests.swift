import Crypto
import Foundation
import Testing

@testable import FederatedFlower

@Suite struct AgreementKeyTests {
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
    let key = try AgreementKey(secretBytes: bytes(Self.secret))
    #expect(key.publicBytes == bytes(Self.own))
    let derived = try key.derivedKey(
      with: bytes(Self.peer), for: .mask, round: 3, indices: (9, 2))
    let info =
      Array("apus secure aggregation, mask, version 1".utf8)
      + [3, 2, 9].flatMap { [0, 0, 0, 0, 0, 0, 0, $0] as [UInt8] }
    let expected = HKDF<SHA256>.deriveKey(
      inputKeyMaterial: SymmetricKey(data: bytes(Self.shared)),
      salt: bytes(Self.peer) + bytes(Self.own),
      info: info,
      outputByteCount: 32
    )
    #expect(derived == expected.withUnsafeBytes { Array($0) })
  }

  @Test func bothSidesDeriveTheSameAndNothingElse() throws {
    let (first, second) = (AgreementKey(), AgreementKey())
    func derive(
      _ key: AgreementKey, _ peer: AgreementKey, _ purpose: AgreementKey.Purpose = .mask,
      round: UInt64 = 1, _ indices: (Int, Int) = (1, 2)
    ) throws -> [UInt8] {
      try key.derivedKey(with: peer.publicBytes, for: purpose, round: round, indices: indices)
    }
    let bytes = try derive(first, second)
    #expect(bytes.count == 32)
    #expect(try derive(second, first) == bytes)
    #expect(try derive(second, first, .mask, round: 1, (2, 1)) == bytes)
    let restored = try AgreementKey(secretBytes: first.secretBytes)
    #expect(try derive(restored, second) == bytes)
    #expect(try derive(first, second, .shares) != bytes)
    #expect(try derive(first, second, round: 2) != bytes)
    #expect(try derive(first, second, .mask, round: 1, (1, 3)) != bytes)
    #expect(try derive(first, AgreementKey()) != bytes)
  }

  /// The point zero has the same secret with everybody (RFC 7748, 6.1).
  @Test func keysThatGiveTheSecretAwayAreRefused() {
    for bytes in [[], [UInt8](repeating: 0, count: 32), [UInt8](repeating: 1, count: 31)] {
      #expect(throws: AgreementError.malformedKey(byteCount: bytes.count)) {
        try AgreementKey().derivedKey(with: bytes, for: .mask, round: 1, indices: (0, 1))
      }
    }
    #expect(throws: AgreementError.malformedKey(byteCount: 31)) {
      try AgreementKey(secretBytes: [UInt8](repeating: 7, count: 31))
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
