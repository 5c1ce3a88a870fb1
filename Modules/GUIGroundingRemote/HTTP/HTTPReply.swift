import Foundation

/// A whole reply of a server.
struct HTTPReply: Equatable, Sendable {
  /// The status code.
  var status: Int
  /// The header fields, names in lower case.
  var headers: [String: String]
  /// The body.
  var body: [UInt8]
}

/// Why there is no whole reply.
enum HTTPProblem: Error, Equatable, Sendable {
  /// Nothing could be sent in that many seconds.
  case connectTimedOut(seconds: Double)
  /// The reply was not complete in that many seconds.
  case timedOut(seconds: Double)
  /// The body has more bytes than the limit.
  case tooLarge(limit: Int)
  /// The connection failed or broke; the system's words.
  case network(String)
  /// The certificate of the server was not accepted.
  case certificate(CertificateProblem)
  /// TLS was expected, and the server speaks plain HTTP.
  case withoutTLS
  /// Plain HTTP was spoken, and the server wants TLS.
  case onlyTLS
  /// What the transport was told makes no sense.
  case settings(String)
  /// The caller's task was cancelled.
  case cancelled
}

/// How long an exchange may take and how large its reply may be.
struct HTTPLimits: Equatable, Sendable {
  /// Seconds until the connection stands, its certificate checked where there is one.
  var connectSeconds: Double
  /// Seconds until the reply is whole.
  var totalSeconds: Double
  /// The longest body in bytes, after decompression.
  var bodyByteCount: Int
}
