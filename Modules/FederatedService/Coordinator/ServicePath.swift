/// What a path of the service means.
enum ServicePath: Hashable, Sendable {
  case health
  case status
  case register
  case work
  case task(Int, String)

  /// The meaning of a path; nil if it has none.
  init?(_ path: String) {
    switch path {
    case "/healthz": self = .health
    case "/v1/status": self = .status
    case "/v1/register": self = .register
    case "/v1/task": self = .work
    default:
      let parts = path.split(separator: "/", omittingEmptySubsequences: false)
      guard parts.count == 5, parts[0].isEmpty, parts[1] == "v1", parts[2] == "tasks",
        parts[3].utf8.count <= 18, let id = Int(parts[3]), id >= 0
      else { return nil }
      self = .task(id, String(parts[4]))
    }
  }
}
