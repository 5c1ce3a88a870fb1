import Foundation
import Hummingbird

/// What a request asks for.
enum Route {
  case page
  case health
  case metrics
  case models
  case model(String)
  case load
  case unload(String)
  case chat
  case text
  case wrongMethod(path: String, allowed: String)
  case unknown(method: String, path: String)

  init(_ request: Request) {
    let (method, path) = (request.method.rawValue, request.uri.path)
    let model = path.hasPrefix("/v1/models/") ? String(path.dropFirst("/v1/models/".count)) : nil
    // What may be read may be asked about.
    switch (method == "HEAD" ? "GET" : method, path) {
    case ("GET", "/"): self = .page
    case ("GET", "/health"): self = .health
    case ("GET", "/metrics"): self = .metrics
    case ("GET", "/v1/models"): self = .models
    case ("POST", "/v1/models"): self = .load
    case ("POST", "/v1/chat/completions"): self = .chat
    case ("POST", "/v1/completions"): self = .text
    case (_, "/"), (_, "/health"), (_, "/metrics"): self = .wrongMethod(path: path, allowed: "GET")
    case (_, "/v1/models"): self = .wrongMethod(path: path, allowed: "GET and POST")
    case (_, "/v1/chat/completions"), (_, "/v1/completions"):
      self = .wrongMethod(path: path, allowed: "POST")
    default:
      guard let model, let name = model.removingPercentEncoding, !name.isEmpty else {
        self = .unknown(method: method, path: path)
        return
      }
      switch method {
      case "GET", "HEAD": self = .model(name)
      case "DELETE": self = .unload(name)
      default: self = .wrongMethod(path: path, allowed: "GET and DELETE")
      }
    }
  }

  /// Whether a key is needed where there is one.
  var needsKey: Bool {
    switch self {
    case .page, .health: false
    default: true
    }
  }

  /// Whether the request has a body of JSON.
  var takesBody: Bool {
    switch self {
    case .load, .chat, .text: true
    default: false
    }
  }

  /// The path without what a client can make up, for the metrics and the log.
  var label: String {
    switch self {
    case .page: "/"
    case .health: "/health"
    case .metrics: "/metrics"
    case .models, .load: "/v1/models"
    case .model, .unload: "/v1/models/{id}"
    case .chat: "/v1/chat/completions"
    case .text: "/v1/completions"
    case .wrongMethod(let path, _): path.hasPrefix("/v1/models/") ? "/v1/models/{id}" : path
    case .unknown: "unknown"
    }
  }
}
