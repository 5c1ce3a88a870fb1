import Crypto
import Foundation

// What a device signs, lines joined by line feeds:
//
//     apus-federation-1
//     METHOD
//     PATH
//     NAME           of the device
//     TIME           milliseconds since 1970
//     NONCE          16 random bytes in hexadecimal
//     DIGEST         SHA-256 of the body in hexadecimal

/// The signature of a request: who sends it, when, and that nothing was changed on its way.
struct RequestSignature: Sendable {
  var device: String
  /// Milliseconds since 1970.
  var time: Int
  var nonce: String
  var signature: Data

  /// The name of the header that holds a part.
  enum Field {
    static let device = "x-apus-device"
    static let time = "x-apus-time"
    static let nonce = "x-apus-nonce"
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
    guard let nonce = headers[Field.nonce], nonce.utf8.count == 32,
      nonce.allSatisfy({ $0.isASCII && $0.isHexDigit })
    else { throw .malformed("the header \(Field.nonce) must hold 32 hexadecimal digits") }
    guard let text = headers[Field.signature], text.utf8.count <= 128,
      let signature = Data(base64Encoded: text), signature.count == 64
    else { throw .malformed("the header \(Field.signature) must hold 64 bytes in base64") }
    self.device = device
    self.time = time
    self.nonce = nonce
    self.signature = signature
  }

  /// The bytes that are signed.
  static func text(_ request: ServiceRequest, device: String, time: Int, nonce: String) -> Data {
    let digest = SHA256.hash(data: request.body).map(hexadecimal).joined()
    let lines = [
      "apus-federation-1", request.method, request.path, device, "\(time)", nonce, digest,
    ]
    return Data(lines.joined(separator: "\n").utf8)
  }

  /// Whether a key made this signature of a request.
  func isValid(for request: ServiceRequest, key: Curve25519.Signing.PublicKey) -> Bool {
    let text = Self.text(request, device: device, time: time, nonce: nonce)
    return key.isValidSignature(signature, for: text)
  }

  fileprivate static func hexadecimal(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16)
    return byte < 16 ? "0" + digits : digits
  }
}

extension ServiceRequest {
  /// The request with the signature of a device.
  ///
  /// - Throws: `ServiceError.keyFile` where the key cannot sign.
  func signed(
    by identity: DeviceIdentity,
    device: String,
    time: Int
  ) throws(ServiceError) -> ServiceRequest {
    var random = SystemRandomNumberGenerator()
    let bytes = (0..<16).map { _ in UInt8.random(in: 0...255, using: &random) }
    let nonce = bytes.map(RequestSignature.hexadecimal).joined()
    let text = RequestSignature.text(self, device: device, time: time, nonce: nonce)
    guard let signature = try? identity.key.signature(for: text) else {
      throw .keyFile(path: "in memory", reason: "signing failed")
    }
    var result = self
    result.headers[RequestSignature.Field.device] = device
    result.headers[RequestSignature.Field.time] = "\(time)"
    result.headers[RequestSignature.Field.nonce] = nonce
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
