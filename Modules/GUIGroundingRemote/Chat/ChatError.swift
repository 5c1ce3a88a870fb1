/// Why a chat server gave no answers.
public struct ChatError: Error, Equatable, Sendable {
  /// What went wrong.
  public enum Reason: Equatable, Sendable {
    /// The settings or the request cannot be sent; what to change.
    case invalid(String)
    /// The environment variable that should hold the key is missing or empty.
    case missingKey(variable: String)
    /// The server refuses the request: status 4xx or 5xx but those below, and its words.
    case badRequest(status: Int, message: String)
    /// The server wants another key: status 401 or 403, and its words.
    case unauthorized(status: Int, message: String)
    /// Too many requests, status 429; its words, and the pause in seconds that it asked for.
    case rateLimited(message: String, retryAfter: Double?)
    /// The server is not ready: status 502, 503 or 504, and its words.
    case unavailable(status: Int, message: String)
    /// The server failed: status 500, or 408, 409, 425; its words.
    case server(status: Int, message: String)
    /// The reply is whole but makes no sense.
    case malformed(String)
    /// The server sends the client elsewhere, which would carry the key along.
    case redirected(status: Int, location: String)
    /// The connection failed or broke; the system's words.
    case connection(String)
    /// The certificate of the server was not accepted; nothing was sent.
    case certificate(CertificateProblem)
    /// The base URL says https, and the server speaks HTTP without TLS; nothing was sent.
    case withoutTLS
    /// The base URL says http, and the server wants TLS.
    case onlyTLS
    /// No connection in that many seconds.
    case connectTimedOut(seconds: Double)
    /// No whole reply in that many seconds.
    case timedOut(seconds: Double)
    /// The reply has more bytes than the limit.
    case tooLarge(limit: Int)
    /// The server gave fewer answers than asked for, however often it was asked.
    case tooFewChoices(asked: Int, given: Int)
    /// The reply is not in the cache, and the settings allow no other source.
    case notCached(key: String)
    /// The cache cannot be written; the file system's words.
    case cache(String)
  }

  /// Where the request went.
  public let endpoint: String
  /// What went wrong, in the last attempt.
  public let reason: Reason
  /// How often the request was sent.
  public let attempts: Int

  /// An error of an endpoint.
  public init(endpoint: String, reason: Reason, attempts: Int = 0) {
    self.endpoint = endpoint
    self.reason = reason
    self.attempts = attempts
  }
}

extension ChatError: CustomStringConvertible {
  /// The endpoint, the reason, and what to do.
  public var description: String {
    let times = attempts > 1 ? " (after \(attempts) attempts)" : ""
    return "chat \(endpoint): \(reason)\(times)"
  }
}

extension ChatError.Reason: CustomStringConvertible {
  /// The reason in words, and what to do.
  public var description: String {
    switch self {
    case .invalid(let text): text
    case .missingKey(let variable):
      "the environment variable \(variable) is empty: set it to the server's key"
    case .badRequest(404, let message):
      "status 404: \(message): check the base URL, which usually ends in /v1, and the model's name"
    case .badRequest(let status, let message): "refused with status \(status): \(message)"
    case .unauthorized(let status, let message):
      "status \(status): \(message): check the environment variable that holds the key"
    case .rateLimited(let message, _): "too many requests (429): \(message)"
    case .unavailable(let status, let message): "not ready, status \(status): \(message)"
    case .server(let status, let message): "the server failed with status \(status): \(message)"
    case .malformed(let text): "the reply makes no sense: \(text)"
    case .redirected(let status, let location):
      "status \(status) leads to \(location), which is not followed: use that base URL if you trust it"
    case .connection(let text): text
    case .certificate(let problem): "\(problem)"
    case .withoutTLS:
      "the server speaks HTTP without TLS: write http:// if you trust the network, or another port"
    case .onlyTLS: "the server speaks TLS: write https://"
    case .connectTimedOut(let seconds): "no connection in \(seconds) s"
    case .timedOut(let seconds): "no whole reply in \(seconds) s: raise the time-out if it is slow"
    case .tooLarge(let limit): "the reply has more than \(limit) bytes"
    case .tooFewChoices(let asked, let given):
      "\(given) of \(asked) answers: set how many choices the server gives at once"
    case .notCached(let key): "no reply \(key) in the cache, which is the only source allowed"
    case .cache(let text): text
    }
  }
}

extension ChatError.Reason {
  /// Whether the same request may succeed later.
  public var isPassing: Bool {
    switch self {
    case .rateLimited, .unavailable, .server, .connection, .connectTimedOut, .timedOut: true
    case .invalid, .missingKey, .badRequest, .unauthorized, .malformed, .redirected, .certificate,
      .withoutTLS, .onlyTLS, .tooLarge, .tooFewChoices, .notCached, .cache:
      false
    }
  }
}
