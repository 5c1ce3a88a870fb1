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

  private static let reader = SerialQueue("apus-serve reader")

  func respond(to request: Request, context: Context) async throws -> Response {
    let start = ProcessInfo.processInfo.systemUptime
    let route = Route(request)
    let body = BodyReader(request)
    let note: @Sendable (Int, String) -> Void = { status, text in
      shelf.metrics.countRequest(route.label, status: status)
      let seconds = ProcessInfo.processInfo.systemUptime - start
      let method = request.method.rawValue
      log("\(method) \(route.label) \(status) \(durationText(seconds)) \(text)")
    }
    do {
      try check(request, route)
      var response = try await answer(route, body, context, note)
      if request.method == .head { response.body = ResponseBody() }
      return response
    } catch {
      let refusal = Self.refusal(error)
      note(refusal.status, refusal.message)
      // What nobody has read of a body must not be read to the end, nor taken for the next request.
      let response = Self.response(refusal, hasBody: request.method != .head)
      return body.isUnread ? Self.closing(response, body, context.channel) : response
    }
  }

  private static func refusal(_ error: any Error) -> APIError {
    switch error {
    case let error as APIError: error
    case is BodyReader.BrokenOff: .hungUp
    case is CancellationError: .failed("the server is being stopped")
    default:
      APIError(status: 500, message: "\(error)", type: "server_error", code: "internal_error")
    }
  }

  // MARK: Who may

  private func check(_ request: Request, _ route: Route) throws(APIError) {
    // A name that an attacker's server gave to this machine would make a page of his this server's own.
    if shelf.settings.isLocal, let host = request.head.authority, !Self.isLocal(host) {
      throw APIError(
        status: 403,
        message: "the host '\(host)' is not this machine",
        code: "forbidden"
      )
    }
    if let key = shelf.settings.key, route.needsKey {
      let given = Self.key(request.headers[.authorization] ?? "")
      guard Self.isSame(given, key) else { throw .wrongKey }
    }
    // A page of another origin can send a form to this machine, and no JSON.
    guard route.takesBody else { return }
    let type = request.headers[.contentType]?.split(separator: ";").first ?? ""
    guard type.trimmingCharacters(in: .whitespaces).lowercased() == "application/json" else {
      throw APIError(
        status: 415,
        message: "the body must be JSON: send it with Content-Type: application/json"
      )
    }
  }

  private static func isLocal(_ authority: String) -> Bool {
    let host =
      authority.hasSuffix("]")
      ? authority[...]
      : authority[..<(authority.lastIndex(of: ":") ?? authority.endIndex)]
    return ["localhost", "127.0.0.1", "[::1]"].contains(host.lowercased())
  }

  /// The key of `Bearer KEY`, a scheme whose name has no case (RFC 9110, section 11.1); else nothing.
  private static func key(_ credentials: String) -> String {
    let parts = credentials.split(separator: " ", maxSplits: 1)
    guard parts.count == 2, parts[0].lowercased() == "bearer" else { return "" }
    return String(parts[1].drop { $0 == " " })
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
    _ route: Route,
    _ body: BodyReader,
    _ context: Context,
    _ note: @escaping @Sendable (Int, String) -> Void
  ) async throws -> Response {
    let response: Response
    switch route {
    case .page:
      response = Self.response(ChatPage.html, type: "text/html; charset=utf-8")
    case .health: response = Self.response(["status": "ok"])
    case .metrics:
      response = Self.response(
        shelf.metrics.text,
        type: "text/plain; version=0.0.4; charset=utf-8"
      )
    case .models:
      response = Self.response(["object": "list", "data": .array(shelf.all.map(\.document))])
    case .model(let name): response = Self.response(try shelf.model(name).document)
    case .unload(let name):
      try checkLoading()
      try await shelf.unload(name)
      response = Self.response(["id": .string(name), "object": "model", "deleted": true])
    case .load:
      try checkLoading()
      response = Self.response(try await load(RequestFields(try await body.read())).document)
    case .chat: return try await complete(body, .chat, context, note)
    case .text: return try await complete(body, .text, context, note)
    case .wrongMethod(let path, let allowed):
      throw APIError(
        status: 405,
        message: "\(path) takes \(allowed)",
        code: "method_not_allowed",
        allowed: allowed
      )
    case .unknown(let method, let path):
      throw APIError(
        status: 404,
        message: "unknown request URL: \(method) \(path)",
        code: "unknown_url"
      )
    }
    note(200, "")
    return response
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
    let (adapter, id) = (try fields.string("adapter"), try fields.string("id"))
    let isFit = id.map { !$0.isEmpty && $0.utf8.count <= 200 && $0 == $0.printable } ?? true
    guard isFit else {
      throw APIError.invalid("id must be 1 to 200 printable bytes", parameter: "id")
    }
    do {
      return try await shelf.load(path, adapter: adapter, name: id)
    } catch let error as APIError { throw error } catch {
      throw APIError.invalid("\(error)", code: "model_not_loaded")
    }
  }

  private func complete(
    _ body: BodyReader,
    _ form: CompletionRequest.Form,
    _ context: Context,
    _ note: @escaping @Sendable (Int, String) -> Void
  ) async throws -> Response {
    let fields = try RequestFields(try await body.read())
    guard let name = try fields.string("model") else {
      throw APIError.invalid("you must provide a model parameter", parameter: "model")
    }
    let model = try shelf.model(name)
    // Long texts take their time to become tokens.
    let completion = try await Self.reader.perform {
      try CompletionRequest(
        fields,
        form,
        model: model,
        seed: UInt64.random(in: 0...UInt64.max)
      )
    }
    let connection = try await context.connection
    let writing = try shelf.write(completion, with: model)
    connection.whenGone(writing.breakOff)
    let exchange = CompletionExchange(
      reply: CompletionReply(completion, model: name, tokenizer: model.tokenizer),
      events: writing.events,
      connection: connection,
      note: note
    )
    return try await completion.isStreamed ? exchange.streamed() : exchange.whole()
  }
}

// MARK: - Responses

extension APIResponder {
  static func response(_ document: JSONValue, status: Int = 200) -> Response {
    response(document.serialized(), status: status, type: "application/json")
  }

  static func response(_ text: String, status: Int = 200, type: String) -> Response {
    var response = Response(
      status: HTTPResponse.Status(code: status),
      headers: [.contentType: type, .xContentTypeOptions: "nosniff"],
      body: ResponseBody(byteBuffer: ByteBuffer(string: text))
    )
    if type.hasPrefix("text/html") {
      response.headers[.contentSecurityPolicy] = ChatPage.policy
    }
    return response
  }

  fileprivate static func response(_ error: APIError, hasBody: Bool) -> Response {
    var response = response(error.document, status: error.status)
    if error.status == 429 { response.headers[.retryAfter] = "1" }
    if error.status == 401 { response.headers[.wwwAuthenticate] = "Bearer" }
    response.headers[.allow] = error.allowed?.replacing(" and ", with: ", ")
    if !hasBody { response.body = ResponseBody() }
    return response
  }

  /// A response behind which the connection ends.
  fileprivate static func closing(
    _ response: Response,
    _ request: BodyReader,
    _ channel: any Channel
  ) -> Response {
    var response = response
    response.headers[.connection] = "close"
    let body = response.body
    response.body = ResponseBody(contentLength: body.contentLength) { writer in
      try await body.write(writer)
      try? await request.discard(limit: 4 * ServingSettings.bodyLimit)
      channel.close(promise: nil)
    }
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
