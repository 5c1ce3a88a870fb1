import Checkpoints
import Foundation
import GUIGrounding

@testable import GUIGroundingRemote

extension FuzzTarget {
  static let remote = [httpReply, chatReply, cachedReply, serverSettings]

  /// A reply of HTTP in pieces, whatever they are.
  private static let httpReply = FuzzTarget(
    name: "http-reply",
    words: [
      "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n", "Content-Length: ", "\r\n\r\n",
      "Transfer-Encoding: chunked\r\n", "0\r\n\r\n", "Retry-After: ", "Date: ",
      "7fffffffffffffff\r\n",
      "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
      "Location: ", "HTTP/1.1 429 X\r\n", "{\"error\":{\"message\":\"",
    ],
    seeds: {
      let replies = [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhello",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello and more",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nX-T: 1\r\n\r\n",
        "HTTP/1.1 429 X\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
          + "Date: Sunday, 06-Nov-94 08:49:37 GMT\r\nContent-Length: 2\r\n\r\n{}",
      ]
      return replies.map { Array($0.utf8) }
    }
  ) { bytes in
    let replies = [Int.max, 7, 1].map { size in
      Result { () throws(HTTPProblem) in try whole(bytes, by: size) }
    }
    demand(replies.allSatisfy { $0 == replies[0] }, "in pieces it is another reply")
    let reply = try replies[0].get()
    demand(reply.body.count <= 1 << 16, "a body beyond the limit")
    let pause = RetrySettings.retryAfter(reply.headers, now: 1e9)
    demand(pause.map { $0 >= 0 } ?? true, "a negative pause")
    _ = "\(ChatError.Reason(reply, retryAfter: pause, hiding: "secret"))"
  }

  private static func whole(_ bytes: [UInt8], by size: Int) throws(HTTPProblem) -> HTTPReply {
    var parser = HTTPReplyParser(limit: 1 << 16)
    var rest = bytes[...]
    while !rest.isEmpty {
      if let reply = try parser.take(rest.prefix(size)) { return reply }
      rest = rest.dropFirst(size)
    }
    return try parser.finish()
  }

  /// The body of a chat completion.
  private static let chatReply = FuzzTarget(
    name: "chat-reply",
    words: [
      "\"choices\":", "\"message\":", "\"content\":", "\"index\":", "\"usage\":", "\"logprobs\":",
      "\"completion_tokens\":", "\"prompt_tokens\":", "\"reasoning_content\":", "\"tool_calls\":",
      "\"function\":", "\"arguments\":", "\"finish_reason\":\"length\"", "\"logprob\":",
      "\"type\":\"text\"", "9223372036854775807", "-9223372036854775808",
    ],
    seeds: {
      let fixture = try JSONValue.parse(Samples.file("gui/chat-client.json"))
      let replies = (fixture["responses"]?.arrayValue ?? []).compactMap { $0["body"] ?? $0["json"] }
      let text = #"""
        {"choices":[{"index":0,"finish_reason":"stop","message":{"content":"<answer>(5, 6)</answer>"},
        "logprobs":{"content":[{"logprob":-0.5},{"logprob":-1}]}},
        {"index":1,"message":{"reasoning_content":"hm","content":[{"type":"text","text":"(1, 2)"}]}},
        {"index":2,"message":{"tool_calls":[{"function":{"arguments":"{\"x\":1,\"y\":2}"}}]}}],
        "usage":{"prompt_tokens":3,"completion_tokens":9}}
        """#
      return replies.map { $0.serializedBytes() } + [Array(text.utf8)]
    }
  ) { bytes in
    let value = try JSONValue.parse(bytes)
    let reply: ChatReply
    do throws(ChatReplyProblem) { reply = try ChatReply(value) } catch {
      demand(!error.text.isEmpty, "a problem without a text")
      return
    }
    demand(!reply.choices.isEmpty, "a reply without choices")
    for choice in reply.choices {
      _ = AnswerParser().parse(choice.text)
        .sample(
          text: choice.text,
          convention: CoordinateConvention(.unit),
          view: PixelSize(width: 64, height: 64)
        )
    }
  }

  /// A reply that was kept in a folder.
  private static let cachedReply = FuzzTarget(
    name: "cached-reply",
    words: ["\"version\":1", "\"key\":", "\"reply\":", "\"choices\":", "\"message\":"],
    seeds: {
      let text =
        #"{"version":1,"key":"k","request":{},"reply":{"choices":[{"message":{"content":"a"}}]}}"#
      return [Array(text.utf8)]
    }
  ) { bytes in
    Scratch.file("k.json", bytes)
    _ = ReplyCache(.readOnly(folder: Scratch.folder))?.reply("k")
  }

  /// The base URL, a byte 0, and the further fields of a request.
  private static let serverSettings = FuzzTarget(
    name: "server-settings",
    words: [
      "http://", "https://", "/v1", "localhost", "[::1]", ":65536", "user@", "?q", "#f", "%00",
    ],
    seeds: { [.joining("http://localhost:8000/v1".utf8, #"{"top_k":1}"#.utf8)] }
  ) { bytes in
    var server = ChatServer(
      baseURL: String(decoding: bytes.halves.first, as: UTF8.self),
      model: "m"
    )
    server.extraFields = String(decoding: bytes.halves.second, as: UTF8.self)
    _ = server.shownURL
    _ = try? server.parsedExtraFields()
    _ = try server.endpoint()
  }
}
