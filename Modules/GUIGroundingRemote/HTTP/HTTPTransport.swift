import Foundation

/// Sends requests and waits for whole replies, within limits of time and memory.
///
/// An exchange never takes longer than its total time and never holds more than its limit, whatever
/// the server does. Redirections are not followed, since they would carry the key to another place;
/// nothing is stored, neither cookies nor replies.
///
/// Choice: no `URLSession`. That of Linux takes bytes from the network as fast as they come, whether or
/// not anybody reads them, lets go of a cancelled transfer late, takes no authority of one's own, and
/// tells no fault of a certificate from any other. Plain HTTP goes over a socket, HTTPS over NIO.
final class HTTPTransport: Sendable {
  private let table = ExchangeTable()
  /// Nil for plain HTTP.
  private let secure: SecureTransport?

  /// A transport for the scheme of a URL.
  ///
  /// - Parameters:
  ///   - url: where requests will go.
  ///   - authority: a PEM file with the certificates to trust instead of the system's; https alone.
  /// - Throws: `HTTPProblem.settings`.
  init(for url: URL, authority: String? = nil) throws(HTTPProblem) {
    guard url.scheme?.lowercased() == "https" else {
      guard authority == nil else {
        throw .settings("an authority is named, but the base URL does not begin with https://")
      }
      secure = nil
      return
    }
    secure = try SecureTransport(table, authority: authority)
  }

  /// Sends a request with a body.
  ///
  /// - Returns: the reply, whatever its status.
  /// - Throws: `HTTPProblem`.
  func post(
    _ body: [UInt8],
    to url: URL,
    headers: [String: String],
    limits: HTTPLimits
  ) async throws(HTTPProblem) -> HTTPReply {
    if let secure { return try await secure.post(body, to: url, headers: headers, limits: limits) }
    let request = HTTPRequestBytes(body, to: url, headers: headers)
    let exchange = SocketExchange(request, limit: limits.bodyByteCount)
    return try await table.run(limits) { [table] number in
      // Looking up a name, connecting and sending may all block.
      Thread.detachNewThread { exchange.run(number, table) }
    } stop: { _ in
      // The thread looks whether somebody waits.
    }
  }
}
