#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A request as the coordinator sees it, whatever carried it.
public struct ServiceRequest: Sendable {
  /// The method of HTTP.
  public var method: String
  /// The path, without a query.
  public var path: String
  /// Names, in lower case, and values.
  public var headers: [String: String]
  /// The body.
  public var body: [UInt8]

  /// A request.
  public init(method: String, path: String, headers: [String: String] = [:], body: [UInt8] = []) {
    self.method = method
    self.path = path
    self.headers = headers
    self.body = body
  }
}

/// An answer of the coordinator.
public struct ServiceResponse: Sendable {
  /// The status of HTTP.
  public var status: Int
  /// The media type of the body.
  public var contentType: String
  /// Names, in lower case, and values.
  public var headers: [String: String]
  /// The body.
  public var body: [UInt8]

  /// An answer.
  public init(
    status: Int,
    contentType: String = "application/json",
    headers: [String: String] = [:],
    body: [UInt8]
  ) {
    self.status = status
    self.contentType = contentType
    self.headers = headers
    self.body = body
  }

  /// A message as JSON.
  init(_ message: some Encodable, status: Int = 200) {
    self.init(status: status, body: ServiceJSON.encoded(message))
  }

  /// A refusal as an object that programs can read.
  init(_ refusal: ServiceRefusal) {
    let problem = ErrorMessage.Problem(code: refusal.code, message: "\(refusal)")
    self.init(ErrorMessage(error: problem), status: refusal.status)
  }
}

/// JSON as the service writes and reads it.
enum ServiceJSON {
  /// The bytes of a message: the same for equal messages.
  static func encoded(_ message: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf",
      negativeInfinity: "-inf",
      nan: "nan"
    )
    // Messages hold numbers and text alone.
    return ((try? encoder.encode(message)) ?? Data()).map { $0 }
  }

  /// The message that bytes hold.
  static func decoded<Message: Decodable>(
    _ bytes: some Sequence<UInt8>,
    as type: Message.Type
  ) throws(ServiceRefusal) -> Message {
    do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch {
      throw .malformed("no \(type) in JSON")
    }
  }
}
