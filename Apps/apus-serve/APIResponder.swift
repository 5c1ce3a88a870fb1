import Checkpoints
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import Support

/// Answers requests: the OpenAI API's paths, and the server's own.
struct APIResponder: HTTPResponder {
  typealias Context = ServingContext

  let shelf: ModelShelf
  /// Takes a line for each answered request.
  let log: @Sendable (String) -> Void

  func respond(to request: Request, context: Context) async throws -> Response {
    let start = ProcessInfo.processInfo.systemUptime
    let route = Route(request)
    do {
      try check(request, route)
      return try await answer(request, route, context, start)
    } catch {
      let refusal = error as? APIError ?? .failed("\(error)")
      note(route, status: refusal.status, start, refusal.message)
      return Self.response(refusal)
    }
  }

  /// Notes the end of a request in the metrics and the log.
  private func note(_ route: Route, status: Int, _ start: Double, _ text: String) {
    shelf.metrics.countRequest(route.label, status: status)
    let seconds = ProcessInfo.processInfo.systemUptime - start
    log("\(route.method) \(route.label) \(status) \(durationText(seconds)) \(text)")
  }

  // MARK: Who may

  private func check(_ request: Request, _ route: Route) throws(APIError) {
    if let key = shelf.settings.key, route.needsKey {
      let given = request.headers[.authorization] ?? ""
      guard Self.isSame(given, "Bearer " + key) else {
        throw APIError(
          status: 401,
          message: "incorrect API key provided",
          code: "invalid_api_key"
        )
      }
    }
    // A page of another origin can send a form to this machine, and no JSON.
    guard route.method == "POST" else { return }
    let type = request.headers[.contentType]?.split(separator: ";").first ?? ""
    guard type.trimmingCharacters(in: .whitespaces).lowercased() == "application/json" else {
      throw APIError(
        status: 415,
        message: "the body must be JSON: send it with Content-Type: application/json"
      )
    }
  }

  /// Compares in a time that does not tell how much is the same.
  private static func isSame(_ left: String, _ right: String) -> Bool {
    let (left, right) = (Array(left.utf8), Array(right.utf8))
    var difference = UInt8(left.count == right.count ? 0 : 1)
    for (index, byte) in right.enumerated() {
      difference |= byte ^ (index < left.count ? left[index] : 0)
    }
    return difference == 0
  }

  // MARK: Answers

  private func answer(
    _ request: Request,
    _ route: Route,
    _ context: Context,
    _ start: Double
  ) async throws -> Response {
    switch route {
    case .page:
      var response = Self.response(ChatPage.html, type: "text/html; charset=utf-8")
      response.headers[.contentSecurityPolicy] = ChatPage.policy
      return response
    case .health: return Self.response(["status": "ok"])
    case .metrics:
      return Self.response(shelf.metrics.text, type: "text/plain; version=0.0.4; charset=utf-8")
    case .models:
      return Self.response(["object": "list", "data": .array(shelf.all.map(\.document))])
    case .model(let name): return Self.response(try shelf.model(name).document)
    case .unload(let name):
      try checkLoading()
      try await shelf.unload(name)
      note(route, status: 200, start, "unloaded \(name)")
      return Self.response(["id": .string(name), "object": "model", "deleted": true])
    case .load:
      try checkLoading()
      let model = try await load(RequestFields(try await Self.body(request)))
      note(route, status: 200, start, "loaded \(model.name)")
      return Self.response(model.document)
    case .chat, .text: return try await complete(request, route, context, start)
    case .wrongMethod(let path, let allowed):
      throw APIError(status: 405, message: "\(path) takes \(allowed)", code: "method_not_allowed")
    case .unknown(let method, let path):
      throw APIError(
        status: 404,
        message: "unknown request URL: \(method) \(path)",
        code: "unknown_url"
      )
    }
  }

  private func checkLoading() throws(APIError) {
    guard shelf.settings.allowsLoading else {
      throw APIError(
        status: 403,
        message: "this server loads no models on request; start it with --allow-loading",
        code: "forbidden"
      )
    }
  }

  private func load(_ fields: RequestFields) async throws -> ServedModel {
    try fields.check(known: ["path", "adapter", "id"])
    guard let path = try fields.string("path") else {
      throw APIError.invalid("you must provide a path", parameter: "path")
    }
    do {
      return try await shelf.load(
        path,
        adapter: try fields.string("adapter"),
        name: try fields.string("id")
      )
    } catch let error as APIError { throw error } catch {
      throw APIError.invalid("\(error)", parameter: "path", code: "model_not_loaded")
    }
  }

  private func complete(
    _ request: Request,
    _ route: Route,
    _ context: Context,
    _ start: Double
  ) async throws -> Response {
    let form: CompletionRequest.Form = if case .chat = route { .chat } else { .text }
    let fields = try RequestFields(try await Self.body(request))
    guard let name = try fields.string("model") else {
      throw APIError.invalid("you must provide a model parameter", parameter: "model")
    }
    let model = try shelf.model(name)
    let completion = try CompletionRequest(
      fields,
      form,
      model: model,
      seed: UInt64.random(in: 0...UInt64.max)
    )
    let connection = await context.connection
    let writing = try shelf.write(completion, with: model)
    connection.whenGone(writing.breakOff)
    let exchange = CompletionExchange(
      reply: CompletionReply(completion, model: name),
      events: writing.events,
      connection: connection
    ) { status, text in note(route, status: status, start, text) }
    return try await completion.isStreamed ? exchange.streamed() : exchange.whole()
  }

  /// The body, read no further than is allowed.
  private static func body(_ request: Request) async throws -> [UInt8] {
    var body: [UInt8] = []
    for try await buffer in request.body {
      guard body.count + buffer.readableBytes <= ServingSettings.bodyLimit else {
        throw APIError.tooLarge(limit: ServingSettings.bodyLimit)
      }
      body.append(contentsOf: buffer.readableBytesView)
    }
    return body
  }
}

// MARK: - Responses

extension APIResponder {
  static func response(_ document: JSONValue, status: Int = 200) -> Response {
    response(document.serialized(), status: status, type: "application/json")
  }

  static func response(_ text: String, status: Int = 200, type: String) -> Response {
    Response(
      status: HTTPResponse.Status(code: status),
      headers: [.contentType: type],
      body: ResponseBody(byteBuffer: ByteBuffer(string: text))
    )
  }

  static func response(_ error: APIError) -> Response {
    var response = response(error.document, status: error.status)
    if error.status == 429 { response.headers[.retryAfter] = "1" }
    // What is left of such a body is not read.
    if error.status == 413 { response.headers[.connection] = "close" }
    return response
  }
}

extension ServedModel {
  /// What the API says of a model.
  var document: JSONValue {
    [
      "id": .string(name), "object": "model", "created": .integer(Int64(created)),
      "owned_by": "apus", "context_length": .integer(Int64(contextLength)),
    ]
  }
}
