import Crypto
import Foundation

/// One object of the store that messages are made of.
///
///     bytes = TypeName ␠ children ␠ length of the body | 00 | body
///     id    = SHA-256 of the bytes, in lower-case hex
///
/// `children` are the ids of the distinct objects that the body refers to, joined by commas.
///
/// - Source: Flower 1.42, object store.
struct FlowerObject: Sendable {
  enum Kind: String, Sendable {
    case chunk = "ArrayChunk"
    case array = "Array"
    case arrays = "ArrayRecord"
    case settings = "ConfigRecord"
    case metrics = "MetricRecord"
    case records = "RecordDict"
    case message = "Message"
  }

  let id: String
  let kind: Kind
  let children: [String]
  let bytes: Data
  private let bodyStart: Int

  /// The bytes behind the header.
  var body: Data { bytes[bytes.index(bytes.startIndex, offsetBy: bodyStart)...] }

  init(_ kind: Kind, children: [String] = [], body: some Collection<UInt8>) {
    let header = "\(kind.rawValue) \(children.joined(separator: ",")) \(body.count)"
    var bytes = Data(capacity: header.utf8.count + 1 + body.count)
    bytes.append(contentsOf: header.utf8)
    bytes.append(0)
    bodyStart = bytes.count
    bytes.append(contentsOf: body)
    self.kind = kind
    self.children = children
    self.bytes = bytes
    id = Self.id(of: bytes)
  }

  /// An object from outside; its hash must be its name.
  init(_ bytes: Data, id: String) throws(FlowerError) {
    guard Self.id(of: bytes) == id else {
      throw .malformedObject(id: id, reason: "the content has another hash")
    }
    guard let end = bytes.firstIndex(of: 0) else {
      throw .malformedObject(id: id, reason: "the header does not end")
    }
    let header = bytes[..<end].split(separator: 0x20, omittingEmptySubsequences: false)
    guard header.count == 3, let kind = Kind(rawValue: String(decoding: header[0], as: UTF8.self))
    else { throw .malformedObject(id: id, reason: "the header is not understood") }
    let bodyStart = bytes.distance(from: bytes.startIndex, to: end) + 1
    guard String(decoding: header[2], as: UTF8.self) == "\(bytes.count - bodyStart)" else {
      throw .malformedObject(id: id, reason: "the header gives another length of the body")
    }
    let children = header[1].split(separator: 0x2C, omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    self.id = id
    self.kind = kind
    self.children = header[1].isEmpty ? [] : children
    self.bytes = bytes
    self.bodyStart = bodyStart
    guard self.children.allSatisfy(Self.isID) else {
      throw .malformedObject(id: id, reason: "a child is not the hash of an object")
    }
  }

  /// The name of an object with the given bytes.
  static func id(of bytes: Data) -> String { hexadecimal(SHA256.hash(data: bytes)) }

  /// Whether a text has the form of a name: 64 lower-case hexadecimal digits.
  static func isID(_ text: String) -> Bool {
    text.utf8.count == 64
      && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }
}

/// Bytes as lower-case hexadecimal digits.
private func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  var text: [UInt8] = []
  for byte in bytes {
    text.append(digits[Int(byte >> 4)])
    text.append(digits[Int(byte & 15)])
  }
  return String(decoding: text, as: UTF8.self)
}
