/// What a method and a path of the service mean.
enum ServiceCall: Hashable, Sendable {
  case status
  case register
  case work
  case model(Int)
  case heartbeat(Int)
  case result(Int)
  case failure(Int)

  /// The meaning of a request; nil if it has none.
  init?(_ method: String, _ path: String) {
    switch (method, path) {
    case ("GET", "/healthz"), ("HEAD", "/healthz"), ("GET", "/v1/status"), ("HEAD", "/v1/status"):
      self = .status
    case ("POST", "/v1/register"): self = .register
    case ("POST", "/v1/task"): self = .work
    default:
      let parts = path.split(separator: "/", omittingEmptySubsequences: false)
      guard parts.count == 5, parts[0].isEmpty, parts[1] == "v1", parts[2] == "tasks",
        parts[3].utf8.count <= 18, let id = Int(parts[3]), id >= 0
      else { return nil }
      switch (method, parts[4]) {
      case ("GET", "model"): self = .model(id)
      case ("POST", "heartbeat"): self = .heartbeat(id)
      case ("POST", "result"): self = .result(id)
      case ("POST", "failure"): self = .failure(id)
      default: return nil
      }
    }
  }
}
