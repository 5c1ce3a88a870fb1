import Crypto
import Foundation

/// How two devices agree on secrets that the server between them does not learn.
///
///     secret(i, j) = X25519(private_i, public_j) = X25519(private_j, public_i)
///     key          = HKDF-SHA-256(secret, salt: both public keys, info: purpose)
///
/// Secure aggregation takes two keys per device: one for the masks that cancel in the sum, one that
/// protects the shares which pass through the server.
///
/// - Source: Bonawitz et al. 2017, "Practical Secure Aggregation for Privacy-Preserving Machine
///   Learning", section 4; RFC 7748 (X25519); RFC 5869 (HKDF).
public struct X25519Agreement: Sendable, Hashable {
  /// What a derived key is for; one purpose never sees the key of another.
  public enum Purpose: String, Sendable, Hashable {
    /// The stream of a pairwise mask.
    case masks = "apus secure aggregation, masks, version 1"
    /// The encryption of shares.
    case shares = "apus secure aggregation, shares, version 1"
  }

  /// What the derived keys are for.
  public let purpose: Purpose

  /// An agreement for a purpose.
  public init(_ purpose: Purpose) { self.purpose = purpose }

  /// A new private key of 32 bytes from the system's generator.
  public static func newPrivateKey() -> [UInt8] {
    Array(Curve25519.KeyAgreement.PrivateKey().rawRepresentation)
  }

  /// The public key of a private key of 32 bytes.
  ///
  /// - Throws: `AgreementError.malformedKey`.
  public func publicKey(of privateKey: [UInt8]) throws(AgreementError) -> [UInt8] {
    Array(try key(privateKey).publicKey.rawRepresentation)
  }

  /// The 32 bytes that both sides derive.
  ///
  /// - Throws: `AgreementError.malformedKey`; also for a public key whose secret is the same with
  ///   everybody.
  public func sharedSecret(
    privateKey: [UInt8],
    publicKey: [UInt8]
  ) throws(AgreementError) -> [UInt8] {
    let own = try key(privateKey)
    let secret: SharedSecret
    do {
      let peer = try Curve25519.KeyAgreement.PublicKey(rawRepresentation: publicKey)
      secret = try own.sharedSecretFromKeyAgreement(with: peer)
    } catch {
      throw .malformedKey(byteCount: publicKey.count)
    }
    // A point of small order gives zero with every key (RFC 7748, 6.1).
    guard secret.withUnsafeBytes({ $0.reduce(0, |) }) != 0 else {
      throw .malformedKey(byteCount: publicKey.count)
    }
    let keys = [Array(own.publicKey.rawRepresentation), publicKey]
      .sorted { $0.lexicographicallyPrecedes($1) }
    let derived = secret.hkdfDerivedSymmetricKey(
      using: SHA256.self,
      salt: Data(keys.joined()),
      sharedInfo: Data(purpose.rawValue.utf8),
      outputByteCount: 32
    )
    return derived.withUnsafeBytes { Array($0) }
  }

  private func key(
    _ privateKey: [UInt8]
  ) throws(AgreementError) -> Curve25519.KeyAgreement.PrivateKey {
    do {
      return try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: privateKey)
    } catch {
      throw .malformedKey(byteCount: privateKey.count)
    }
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
