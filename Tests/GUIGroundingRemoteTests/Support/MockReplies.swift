import Checkpoints
import GUIGrounding
import TestSupport

@testable import GUIGroundingRemote

extension MockServer.Step {
  /// A whole reply.
  static func reply(
    _ status: Int = 200,
    headers: [String: String] = [:],
    _ body: [UInt8]
  ) -> MockServer.Step {
    var text = "HTTP/1.1 \(status) Status\r\nContent-Length: \(body.count)\r\nConnection: close\r\n"
    for (name, value) in headers { text += "\(name): \(value)\r\n" }
    return .send(Array((text + "\r\n").utf8) + body)
  }

  /// A whole reply of JSON.
  static func json(
    _ value: JSONValue,
    status: Int = 200,
    headers: [String: String] = [:]
  ) -> MockServer.Step {
    .reply(status, headers: headers, value.serializedBytes())
  }

  /// A chat reply with one choice for each text.
  static func answers(_ texts: [String]) -> MockServer.Step {
    let choices = texts.enumerated().map { index, text -> JSONValue in
      [
        "index": .integer(Int64(index)), "finish_reason": "stop",
        "message": ["role": "assistant", "content": .string(text)],
      ]
    }
    return .json([
      "choices": .array(choices),
      "usage": ["prompt_tokens": 100, "completion_tokens": .integer(Int64(10 * texts.count))],
    ])
  }

  /// The head of a reply that is going to be longer than anybody wants.
  static func head(length: Int) -> MockServer.Step {
    .send(Array("HTTP/1.1 200 OK\r\nContent-Length: \(length)\r\n\r\n".utf8))
  }
}

extension MockServer.Request {
  /// The body as JSON.
  var json: JSONValue { (try? JSONValue.parse(body)) ?? .null }
}

/// What the tests of a policy have in common.
enum Scene {
  static let image = RGBImage(
    size: PixelSize(width: 112, height: 84),
    color: RGBColor(200, 210, 220)
  )
  static let request = GroundingRequest(image: image, instruction: "click \"Save\"")

  static let plainFamily = ModelFamily(
    "plain",
    template: .plainPoint,
    coordinates: CoordinateConvention(.inputPixels),
    resize: .none
  )

  /// Times that a busy machine keeps too; retries that do not wait.
  static func limits(
    connect: Double = 30,
    total: Double = 60,
    concurrent: Int = 4,
    bytes: Int = 1 << 20,
    retries: Int = 4
  ) -> ChatLimits {
    ChatLimits(
      connectSeconds: connect,
      requestSeconds: total,
      concurrentRequests: concurrent,
      replyByteCount: bytes,
      retries: RetrySettings(limit: retries)
    )
  }

  static func policy(
    _ server: MockServer,
    choices: ChoiceSupport = .any,
    family: ModelFamily = plainFamily,
    limits: ChatLimits = limits(),
    cache: CacheUse = .off,
    key: String? = nil,
    pause: @escaping @Sendable (Double) async throws -> Void = { _ in }
  ) throws -> RemoteGroundingPolicy {
    var chat = ChatServer(baseURL: server.baseURL, model: "m", choices: choices)
    chat.keyVariable = key == nil ? nil : "TEST_KEY"
    return try RemoteGroundingPolicy(
      server: chat,
      family: family,
      limits: limits,
      cache: cache,
      environment: key.map { ["TEST_KEY": $0] } ?? [:],
      pause: pause
    )
  }
}
