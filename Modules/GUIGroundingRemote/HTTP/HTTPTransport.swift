import Foundation

/// Sends requests and waits for whole replies, within limits of time and memory.
///
/// An exchange never takes longer than its total time and never holds more than its limit, whatever
/// the server does. Redirections are not followed, since they would carry the key to another place;
/// nothing is stored, neither cookies nor replies.
///
/// Choice: plain HTTP, which local servers speak, goes over a socket of our own: the `URLSession` of
/// Linux takes bytes from the network as fast as they come, whether or not anybody reads them, and
/// lets go of a cancelled transfer late. Only HTTPS needs the session, for TLS.
final class HTTPTransport: Sendable {
  private let table = ExchangeTable()
  private let secure: SecureTransport

  init() { secure = SecureTransport(table) }

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
    guard url.scheme?.lowercased() == "http" else {
      return try await secure.post(body, to: url, headers: headers, limits: limits)
    }
    let exchange = SocketExchange(body, to: url, headers: headers, limit: limits.bodyByteCount)
    return try await table.run(limits) { [table] number in
      // Looking up a name, connecting and sending may all block.
      Thread.detachNewThread { exchange.run(number, table) }
    } stop: { _ in
      // The thread looks whether somebody waits.
    }
  }
}
