public import Crypto
public import Foundation

/// A key with which two devices agree on secrets that the server between them does not learn.
///
///     secret(i, j) = X25519(private_i, public_j) = X25519(private_j, public_i)
///     key          = HKDF-SHA-256(secret, salt: public keys, info: label | round | lower | higher)
///
/// Secure aggregation takes two such keys per device: one for the masks that cancel in the sum, one
/// that protects the shares which pass through the server.
///
/// - Source: Bonawitz et al., "Practical Secure Aggregation for Privacy-Preserving Machine
///   Learning", 2017, section 4; RFC 7748 (X25519); RFC 5869 (HKDF).
public struct AgreementKey: Sendable {
  /// What a derived key is for; one purpose never sees the key of another.
  public enum Purpose: String, Sendable, Hashable {
    /// The stream of a pairwise mask.
    case mask = "apus secure aggregation, mask, version 1"
    /// The encryption of shares.
    case shares = "apus secure aggregation, shares, version 1"
  }

  private let key: Curve25519.KeyAgreement.PrivateKey

  /// A new key.
  public init() { key = Curve25519.KeyAgreement.PrivateKey() }

  /// The key of 32 secret bytes: what survivors restore for a device that dropped out.
  ///
  /// - Throws: `AgreementError.malformedKey`.
  public init(secretBytes: [UInt8]) throws(AgreementError) {
    do {
      key = try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: secretBytes)
    } catch {
      throw .malformedKey(byteCount: secretBytes.count)
    }
  }

  /// The 32 secret bytes, to be shared among the other devices.
  public var secretBytes: [UInt8] { Array(key.rawRepresentation) }

  /// The 32 bytes that others get.
  public var publicBytes: [UInt8] { Array(key.publicKey.rawRepresentation) }

  /// The 32 bytes that this device and a peer derive for a round.
  ///
  /// - Parameters:
  ///   - peer: The peer's public bytes.
  ///   - purpose: What the bytes are for.
  ///   - round: The round, so that no mask is used twice.
  ///   - indices: The indices of the two devices, in any order.
  /// - Returns: The same bytes on both sides.
  /// - Throws: `AgreementError`; also for a peer's key that would make the secret known to all.
  public func derivedKey(
    with peer: [UInt8],
    for purpose: Purpose,
    round: UInt64,
    indices: (Int, Int)
  ) throws(AgreementError) -> [UInt8] {
    let secret: SharedSecret
    do {
      let publicKey = try Curve25519.KeyAgreement.PublicKey(rawRepresentation: peer)
      secret = try key.sharedSecretFromKeyAgreement(with: publicKey)
    } catch {
      throw .malformedKey(byteCount: peer.count)
    }
    var info = Data(purpose.rawValue.utf8)
    let (lower, higher) = (min(indices.0, indices.1), max(indices.0, indices.1))
    for value in [round, UInt64(lower), UInt64(higher)] {
      withUnsafeBytes(of: value.bigEndian) { info.append(contentsOf: $0) }
    }
    let keys = [publicBytes, peer].sorted { $0.lexicographicallyPrecedes($1) }
    let derived = secret.hkdfDerivedSymmetricKey(
      using: SHA256.self,
      salt: Data(keys.joined()),
      sharedInfo: info,
      outputByteCount: 32
    )
    return derived.withUnsafeBytes { Array($0) }
  }
}

/// Bytes that only the holder of a derived key can read: ChaCha20-Poly1305 with a random nonce.
public enum SealedShares {
  /// Encrypts and authenticates.
  ///
  /// - Parameters:
  ///   - bytes: What the peer shall read.
  ///   - key: The 32 bytes that both derived for `.shares`.
  /// - Returns: Nonce, cipher text and tag.
  /// - Throws: `AgreementError.malformedKey`.
  public static func seal(_ bytes: [UInt8], key: [UInt8]) throws(AgreementError) -> [UInt8] {
    guard key.count == 32 else { throw .malformedKey(byteCount: key.count) }
    do {
      return Array(try ChaChaPoly.seal(bytes, using: SymmetricKey(data: key)).combined)
    } catch {
      throw .notAuthentic
    }
  }

  /// Decrypts.
  ///
  /// - Parameters:
  ///   - sealed: What `seal` returned.
  ///   - key: The 32 bytes that both derived for `.shares`.
  /// - Returns: The bytes.
  /// - Throws: `AgreementError.notAuthentic` when the bytes or the key are not the peer's.
  public static func open(_ sealed: [UInt8], key: [UInt8]) throws(AgreementError) -> [UInt8] {
    guard key.count == 32 else { throw .malformedKey(byteCount: key.count) }
    do {
      let box = try ChaChaPoly.SealedBox(combined: sealed)
      return Array(try ChaChaPoly.open(box, using: SymmetricKey(data: key)))
    } catch {
      throw .notAuthentic
    }
  }
}

/// Why two devices have no common key.
public enum AgreementError: Error, Equatable, Sendable {
  /// Not a key, or one whose secret is the same with everybody.
  case malformedKey(byteCount: Int)
  /// The bytes were changed, or sealed with another key.
  case notAuthentic
}

extension AgreementError: CustomStringConvertible {
  /// The reason in words.
  public var description: String {
    switch self {
    case .malformedKey(let count): "key agreement: \(count) bytes that are no usable key"
    case .notAuthentic: "key agreement: shares that were not sealed with this key"
    }
  }
}
