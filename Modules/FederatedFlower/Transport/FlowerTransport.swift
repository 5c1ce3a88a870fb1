public import Foundation

/// Carries requests to a server and brings its answers.
public protocol FlowerTransport: Sendable {
  /// Sends the body of a call and waits for the answer.
  ///
  /// - Parameters:
  ///   - request: The call, its headers and its body.
  ///   - timeout: How long the server may take to begin its answer.
  /// - Returns: The answer, whatever its status.
  /// - Throws: `FlowerTransportFailure` when there is none.
  func send(
    _ request: FlowerTransportRequest,
    timeout: Duration
  ) async throws(FlowerTransportFailure) -> FlowerTransportAnswer
}

/// A call on its way.
public struct FlowerTransportRequest: Sendable {
  /// The last part of the path, such as `pull-messages`.
  public let call: String
  /// Names and values.
  public let headers: [(name: String, value: String)]
  /// The serialized message.
  public let body: Data

  /// A call.
  public init(call: String, headers: [(name: String, value: String)], body: Data) {
    self.call = call
    self.headers = headers
    self.body = body
  }
}

/// An answer of a server.
public struct FlowerTransportAnswer: Sendable {
  /// The status of HTTP.
  public let status: Int
  /// Names, in lower case, and values.
  public let headers: [String: String]
  /// The serialized message, or JSON about an error.
  public let body: Data

  /// An answer.
  public init(status: Int, headers: [String: String] = [:], body: Data) {
    self.status = status
    self.headers = headers
    self.body = body
  }
}

/// Why a transport has no answer.
public struct FlowerTransportFailure: Error, Sendable, Hashable {
  /// The kinds of failure that a caller treats differently.
  public enum Kind: Sendable, Hashable {
    /// Another try may succeed: no connection, no answer in time.
    case transient
    /// Another try fails as well: the certificate is not trusted.
    case permanent
    /// The answer is longer than the limit.
    case tooLarge
    /// The task was cancelled.
    case cancelled
  }

  /// The kind of failure.
  public let kind: Kind
  /// The reason in words.
  public let reason: String

  /// A failure.
  public init(_ kind: Kind, _ reason: String) {
    self.kind = kind
    self.reason = reason
  }
}
