import Crypto

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

// What a device signs, lines joined by line feeds:
//
//     apus-federation-2
//     METHOD
//     PATH
//     NAME           of the device
//     TIME           milliseconds since 1970
//     NONCE          16 random bytes in hexadecimal
//     SESSION        16 random bytes that the server made at its start, in hexadecimal
//     DIGEST         SHA-256 of the body in hexadecimal
//
// All but method and path travel as headers, so a signature can be checked before the body is read.
// The session comes with every answer. A request that names none, or that of an earlier start, is
// refused, and the device signs anew: so nothing that was heard before a restart can be sent after it.

/// The signature of a request: who sends it, when, and that nothing was changed on its way.
struct RequestSignature: Sendable {
  var device: String
  /// Milliseconds since 1970.
  var time: Int
  var nonce: String
  /// The session of the server that the request is for; empty before the device knows one.
  var session: String
  /// The SHA-256 of the body in hexadecimal.
  var digest: String
  var signature: Data

  /// The name of the header that holds a part.
  enum Field {
    static let device = "x-apus-device"
    static let time = "x-apus-time"
    static let nonce = "x-apus-nonce"
    static let session = "x-apus-session"
    static let digest = "x-apus-digest"
    static let signature = "x-apus-signature"
  }

  /// The signature that a request carries.
  ///
  /// - Throws: `ServiceRefusal.malformed` where a part is missing or is none.
  init(_ headers: [String: String]) throws(ServiceRefusal) {
    guard let device = headers[Field.device], DeviceName.isValid(device) else {
      throw .malformed("the header \(Field.device) must hold a name, \(DeviceName.rule)")
    }
    guard let time = headers[Field.time].flatMap({ Int($0) }), time > 0, time < 1 << 50 else {
      throw .malformed("the header \(Field.time) must hold milliseconds since 1970")
    }
    guard let nonce = headers[Field.nonce], Self.isToken(nonce) else {
      throw .malformed("the header \(Field.nonce) must hold 32 hexadecimal digits")
    }
    let session = headers[Field.session] ?? ""
    guard session.isEmpty || Self.isToken(session) else {
      throw .malformed("the header \(Field.session) must hold 32 hexadecimal digits")
    }
    guard let digest = headers[Field.digest], digest.utf8.count == 64 else {
      throw .malformed("the header \(Field.digest) must hold the SHA-256 of the body")
    }
    guard let text = headers[Field.signature], text.utf8.count <= 128,
      let signature = Data(base64Encoded: text), signature.count == 64
    else { throw .malformed("the header \(Field.signature) must hold 64 bytes in base64") }
    self.device = device
    self.time = time
    self.nonce = nonce
    self.session = session
    self.digest = digest
    self.signature = signature
  }

  /// 16 random bytes in hexadecimal.
  static func token() -> String {
    var random = SystemRandomNumberGenerator()
    return hexadecimal((0..<16).map { _ in UInt8.random(in: 0...255, using: &random) })
  }

  /// Whether a text can be a nonce or a session.
  static func isToken(_ text: String) -> Bool {
    text.utf8.count == 32 && text.allSatisfy { $0.isASCII && $0.isHexDigit }
  }

  /// A signature that is still to be made.
  fileprivate init(of body: [UInt8], device: String, time: Int, session: String) {
    self.device = device
    self.time = time
    self.session = session
    nonce = Self.token()
    digest = Self.digest(of: body)
    signature = Data()
  }

  /// The bytes that are signed for a request, whose body the digest stands for.
  fileprivate func text(_ head: ServiceRequest) -> Data {
    let lines = [
      "apus-federation-2", head.method, head.path, device, "\(time)", nonce, session, digest,
    ]
    return Data(lines.joined(separator: "\n").utf8)
  }

  /// Whether a key made this signature of a request; the body is not looked at.
  func isValid(for head: ServiceRequest, key: Curve25519.Signing.PublicKey) -> Bool {
    key.isValidSignature(signature, for: text(head))
  }

  /// Whether a body is the one that was signed.
  func covers(_ body: [UInt8]) -> Bool { digest == Self.digest(of: body) }

  /// The SHA-256 of bytes in hexadecimal.
  static func digest(of body: [UInt8]) -> String {
    hexadecimal(Array(SHA256.hash(data: body)))
  }

  private static func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
  }
}

extension ServiceRequest {
  /// The request with the signature of a device, for a session of the server.
  ///
  /// - Throws: `ServiceError.keyFile` where the key cannot sign.
  func signed(
    by identity: DeviceIdentity,
    device: String,
    time: Int,
    session: String
  ) throws(ServiceError) -> ServiceRequest {
    var parts = RequestSignature(of: body, device: device, time: time, session: session)
    guard let signature = try? identity.key.signature(for: parts.text(self)) else {
      throw .keyFile(path: "in memory", reason: "signing failed")
    }
    parts.signature = signature
    var result = self
    result.headers[RequestSignature.Field.device] = device
    result.headers[RequestSignature.Field.time] = "\(time)"
    result.headers[RequestSignature.Field.nonce] = parts.nonce
    result.headers[RequestSignature.Field.session] = session
    result.headers[RequestSignature.Field.digest] = parts.digest
    result.headers[RequestSignature.Field.signature] = signature.base64EncodedString()
    return result
  }
}

/// The names of devices.
enum DeviceName {
  /// The rule in words.
  static let rule = "1 to 64 letters, digits, dots, dashes and underscores"

  /// Whether a name can be one.
  static func isValid(_ name: String) -> Bool {
    (1...64).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"),
          UInt8(ascii: "_"):
          true
        default: false
        }
      }
  }
}
