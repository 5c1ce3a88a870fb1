import Checkpoints

extension ChatError.Reason {
  /// What a status other than 200 means.
  ///
  /// - Parameters:
  ///   - reply: the reply.
  ///   - retryAfter: the pause in seconds that it asks for.
  ///   - key: a secret that the server may repeat, which no message shows.
  init(_ reply: HTTPReply, retryAfter: Double?, hiding key: String?) {
    let message = serverMessage(reply.body, hiding: key)
    let status = reply.status
    switch status {
    case 401, 403: self = .unauthorized(status: status, message: message)
    case 429: self = .rateLimited(message: message, retryAfter: retryAfter)
    case 502, 503, 504: self = .unavailable(status: status, message: message)
    case 408, 409, 425, 500: self = .server(status: status, message: message)
    case 300...399:
      let location = reply.headers["location"] ?? "another place"
      self = .redirected(status: status, location: shown(location, hiding: key))
    case 400...599: self = .badRequest(status: status, message: message)
    default: self = .malformed("status \(status)")
    }
  }

  /// What a missing reply means.
  init(_ problem: HTTPProblem) {
    switch problem {
    case .connectTimedOut(let seconds): self = .connectTimedOut(seconds: seconds)
    case .timedOut(let seconds): self = .timedOut(seconds: seconds)
    case .tooLarge(let limit): self = .tooLarge(limit: limit)
    case .network(let text): self = .connection(text)
    case .certificate(let problem): self = .certificate(problem)
    case .withoutTLS: self = .withoutTLS
    case .onlyTLS: self = .onlyTLS
    case .settings(let text): self = .invalid(text)
    case .cancelled: self = .connection("cancelled")
    }
  }
}

/// The server's words: `error.message`, `message`, `detail`, or the beginning of the body.
private func serverMessage(_ body: [UInt8], hiding key: String?) -> String {
  let json = try? JSONValue.parse(body, limits: JSONLimits(byteCount: 1 << 20))
  let places = [
    json?["error"]?["message"], json?["error"], json?["message"], json?["detail"],
  ]
  if let text = places.lazy.compactMap({ $0?.stringValue }).first {
    return shown(text, hiding: key)
  }
  let text = String(decoding: body.prefix(2000), as: UTF8.self)
  return text.isEmpty ? "no explanation" : shown(text, hiding: key)
}

/// A foreign text that is safe to show: one line, not long, without the key.
func shown(_ text: String, hiding key: String?, limit: Int = 300) -> String {
  var text = text
  if let key, key.utf8.count >= 4 {
    // Replaced before shortening, so that no half of it is left.
    text = text.split(separator: key, omittingEmptySubsequences: false).joined(separator: "…")
  }
  let words = text.unicodeScalars.map { scalar in
    scalar.properties.generalCategory == .control ? " " : Character(scalar)
  }
  let line = String(words).split(separator: " ").joined(separator: " ")
  return line.count > limit ? line.prefix(limit) + "…" : line
}
