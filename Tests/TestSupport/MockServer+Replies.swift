package import Checkpoints

extension MockServer.Step {
  /// A whole reply.
  package static func reply(
    _ status: Int = 200,
    headers: [String: String] = [:],
    _ body: [UInt8]
  ) -> MockServer.Step {
    var text = "HTTP/1.1 \(status) Status\r\nContent-Length: \(body.count)\r\nConnection: close\r\n"
    for (name, value) in headers { text += "\(name): \(value)\r\n" }
    return .send(Array((text + "\r\n").utf8) + body)
  }

  /// A whole reply of JSON.
  package static func json(
    _ value: JSONValue,
    status: Int = 200,
    headers: [String: String] = [:]
  ) -> MockServer.Step {
    .reply(status, headers: headers, value.serializedBytes())
  }

  /// A chat reply with one choice for each text.
  package static func answers(_ texts: [String]) -> MockServer.Step {
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
  package static func head(length: Int) -> MockServer.Step {
    .send(Array("HTTP/1.1 200 OK\r\nContent-Length: \(length)\r\n\r\n".utf8))
  }
}

extension MockServer.Request {
  /// The body as JSON.
  package var json: JSONValue { (try? JSONValue.parse(body)) ?? .null }
}
