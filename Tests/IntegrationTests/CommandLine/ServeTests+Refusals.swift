import Checkpoints
import Foundation
import TestSupport
import Testing

extension ServeTests {
  @Test func whatIsMalformedGetsAnErrorObject() async throws {
    try await withServer(["--parallel", "1", "--queue", "3"]) { server, _ in
      let cases: [(path: String, body: String, status: Int, parameter: String?, text: String)] = [
        ("completions", "", 400, nil, "no JSON"),
        ("completions", "{\"model\": ", 400, nil, "unexpected end"),
        ("completions", "[1]", 400, nil, "a list, not an object"),
        ("completions", "{}", 400, "model", "must provide a model"),
        ("completions", "{\"model\": 1}", 400, "model", "an integer; a string is expected"),
        ("completions", "{\"model\": \"huge\"}", 404, "model", "there is tiny"),
        ("completions", "{\"model\": \"tiny\"}", 400, "prompt", "must provide a prompt"),
        ("completions", "{\"model\": \"tiny\", \"prompt\": 5}", 400, "prompt", "an integer"),
        ("completions", "{\"model\": \"tiny\", \"prompt\": [1, 512]}", 400, "prompt", "512"),
        ("completions", "{\"model\": \"tiny\", \"prompt\": [[]]}", 400, "prompt", "no token"),
        ("completions", "{\"model\": \"tiny\", \"prompt\": []}", 400, "prompt", "a list"),
        (
          "completions", "{\"model\": \"tiny\", \"prompt\": \"a\", \"temprature\": 1}", 400,
          "temprature", "unrecognized"
        ),
        (
          "completions", "{\"model\": \"tiny\", \"prompt\": \"a\", \"temperature\": -1}", 400,
          "temperature", "0.0 to 100.0"
        ),
        (
          "completions", "{\"model\": \"tiny\", \"prompt\": \"a\", \"max_tokens\": 0}", 400,
          "max_tokens", "at least 1"
        ),
        (
          "completions", "{\"model\": \"tiny\", \"prompt\": \"a\", \"n\": 5}", 400, "n",
          "5 texts; 4 have room"
        ),
        (
          "completions", "{\"model\": \"tiny\", \"prompt\": \"a\", \"logprobs\": 21}", 400,
          "logprobs", "0 to 20"
        ),
        (
          "completions", "{\"model\": \"tiny\", \"prompt\": \"a\", \"logit_bias\": {\"x\": 1}}",
          400, "logit_bias", "'x' is no token"
        ),
        (
          "completions", "{\"model\": \"tiny\", \"prompt\": \"a\", \"presence_penalty\": 3}", 400,
          "presence_penalty", "-2.0 to 2.0"
        ),
        (
          "chat/completions",
          """
          {"model": "tiny", "messages": [{"role": "user", "content": "a"}], "top_logprobs": 2}
          """, 400, "top_logprobs", "needs logprobs"
        ),
        (
          "completions", "{\"model\": \"tiny\", \"prompt\": \"a\", \"stop\": [1]}", 400, "stop",
          "an integer"
        ),
        ("chat/completions", "{\"model\": \"tiny\"}", 400, "messages", "must provide messages"),
        (
          "chat/completions", "{\"model\": \"tiny\", \"messages\": [{\"content\": \"a\"}]}", 400,
          "messages[0].role", "no role"
        ),
        (
          "chat/completions",
          "{\"model\": \"tiny\", \"messages\": [{\"role\": \"boss\", \"content\": \"a\"}]}", 400,
          "messages[0].role", "boss"
        ),
        (
          "chat/completions",
          """
          {"model": "tiny", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}
          """, 400, "messages[0].content[0]", "no text"
        ),
        (
          "chat/completions",
          """
          {"model": "tiny", "messages": [{"role": "user", "content": "a"}], "tools": [{}]}
          """, 400, "tools", "not supported"
        ),
      ]
      for (path, body, status, parameter, text) in cases {
        let answer = try await server.send("POST", "/v1/" + path, text: body)
        let fault = try answer.document()["error"]
        #expect(answer.status == status, "\(body): \(answer.text)")
        #expect(fault?["param"]?.stringValue == parameter, "\(body): \(answer.text)")
        #expect(fault?["message"]?.stringValue?.contains(text) == true, "\(body): \(answer.text)")
        #expect(fault?["type"] == "invalid_request_error")
      }
      let long = String(repeating: "long ", count: 100)
      let answer = try await server.send("POST", "/v1/completions", completion(.string(long)))
      #expect(answer.status == 400)
      #expect(try answer.document()["error"]?["code"] == "context_length_exceeded")
      // Bytes that cannot have room are not even counted in tokens.
      let spaces = String(repeating: " ", count: 4 << 20)
      let much = try await server.send("POST", "/v1/completions", completion(.string(spaces)))
      #expect(much.status == 400 && much.text.contains("4194304 bytes"))
      #expect(try much.document()["error"]?["code"] == "context_length_exceeded")
      let said = try await server.send("POST", "/v1/chat/completions", chat(spaces))
      #expect(said.status == 400)
      #expect(try said.document()["error"]?["param"] == "messages")
      // After all this it still answers.
      _ = try await server.post("/v1/completions", completion("Once"))
    }
  }

  @Test func fieldsOfTurnsAreChecked() async throws {
    try await withServer { server, _ in
      let refused: [(turn: JSONValue, field: String, text: String)] = [
        (["role": "user"], "content", "is missing"),
        (["role": "user", "content": nil], "content", "is missing"),
        (["role": "user", "content": []], "content", "an empty list"),
        (["role": "assistant", "tool_calls": nil], "content", "is missing"),
        (["role": "assistant", "tool_calls": [["id": "a"]]], "tool_calls", "not supported"),
        (["role": "user", "contnt": "Hi"], "contnt", "unrecognized"),
        (["role": "user", "content": "Hi", "name": 1], "name", "an integer"),
      ]
      for (turn, field, text) in refused {
        let request = chat("", ["messages": .array([turn])])
        let answer = try await server.send("POST", "/v1/chat/completions", request)
        let fault = try answer.document()["error"]
        #expect(answer.status == 400, "\(turn): \(answer.text)")
        #expect(fault?["param"]?.stringValue == "messages[0].\(field)", "\(answer.text)")
        #expect(fault?["message"]?.stringValue?.contains(text) == true, "\(answer.text)")
      }
    }
  }

  @Test func answersMayBeSentBack() async throws {
    try await withServer { server, _ in
      let short = chat("Hi", ["max_tokens": 8])
      let answer = try await server.post("/v1/chat/completions", short)
      var reply = try #require(answer["choices"]?[0]?["message"]?.objectValue)
      let text = try #require(reply["content"]?.stringValue)
      // As the official client writes its objects.
      for name in ["annotations", "audio", "function_call", "tool_calls"] {
        reply[name] = JSONValue.null
      }
      let user: JSONValue = ["role": "user", "content": "More", "name": "me"]
      let turns: JSONValue = [["role": "user", "content": "Hi"], .object(reply), user]
      let found = try await server.post("/v1/chat/completions", chat("", ["messages": turns]))
      let expected = try await server.post(
        "/v1/chat/completions",
        chat("", ["messages": messages("Hi", text, "More")])
      )
      #expect(found["choices"] == expected["choices"])
    }
  }

  @Test func pathsMethodsAndKindsAreChecked() async throws {
    try await withServer { server, _ in
      let unknown = try await server.send("GET", "/v1/nothing")
      #expect(unknown.status == 404)
      #expect(try unknown.document()["error"]?["code"] == "unknown_url")
      #expect(try await server.send("GET", "/v1/models/nothing").status == 404)
      #expect(try await server.send("PUT", "/v1/completions", [:]).status == 405)
      let form = ["Content-Type": "text/plain"]
      let plain = try await server.send("POST", "/v1/completions", [:], headers: form)
      #expect(plain.status == 415)
      let large = String(repeating: "a", count: 9 << 20)
      let answer = try await server.send("POST", "/v1/completions", text: large)
      #expect(answer.status == 413)
      #expect(try answer.document()["error"]?["code"] == "request_too_large")
      // Nobody may load models unless the server was started so.
      #expect(try await server.send("POST", "/v1/models", ["path": "tiny"]).status == 403)
      #expect(try await server.send("DELETE", "/v1/models/tiny").status == 403)
    }
  }

  @Test func aModelWithoutTemplateContinuesTexts() async throws {
    try await withServer(hasTemplate: false) { server, _ in
      let refused = try await server.send("POST", "/v1/chat/completions", chat("Hi"))
      #expect(refused.status == 400)
      #expect(refused.text.contains("not for conversations"))
      _ = try await server.post("/v1/completions", completion("Once"))
    }
  }

  @Test func theKeyIsAskedFor() async throws {
    try await withServer(environment: "APUS_SERVE_KEY=secret") { server, _ in
      for wrong in [nil, "Bearer secre", "Bearer secret2", "Bearer", "secret", "Basic secret"] {
        let headers = wrong.map { ["Authorization": $0] } ?? [:]
        let answer = try await server.send("GET", "/v1/models", headers: headers)
        #expect(answer.status == 401)
        #expect(try answer.document()["error"]?["code"] == "invalid_api_key")
      }
      for right in ["Bearer secret", "bearer secret", "BEARER  secret"] {
        let key = ["Authorization": right]
        #expect(try await server.send("GET", "/v1/models", headers: key).status == 200)
      }
      #expect(try await server.send("GET", "/metrics").status == 401)
      #expect(try await server.send("GET", "/health").status == 200)
      #expect(try await server.send("GET", "/").status == 200)
      #expect(!server.process.error.contains("secret"))
    }
  }

  @Test func headersAreWhatHTTPAsksFor() async throws {
    try await withServer(environment: "APUS_SERVE_KEY=secret") { server, _ in
      let key = ["Authorization": "Bearer secret"]
      let wrong = try await server.send("PUT", "/v1/models", headers: key)
      #expect(wrong.status == 405 && wrong.headers["allow"] == "GET, POST")
      #expect(try await server.send("GET", "/metrics").headers["www-authenticate"] == "Bearer")
      let head = try await server.send("HEAD", "/health")
      #expect(head.status == 200 && head.text.isEmpty)
      // One connection: a body behind an answer to HEAD would be taken for the next answer.
      let both = try await server.exchange(
        "HEAD /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
          + "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
      )
      #expect(both.components(separatedBy: "HTTP/1.1 200").count == 3, "\(both)")
      #expect(both.components(separatedBy: "{\"status\"").count == 2, "\(both)")
      // A page of another name that leads to this machine.
      let foreign = try await server.exchange(
        "GET /health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
      )
      #expect(foreign.contains("HTTP/1.1 403"))
      // A body that nobody wants is not read, and ends the connection.
      let unwanted = try await server.exchange(
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\n"
          + "Content-Type: application/json\r\nContent-Length: 900000000000\r\n\r\nabc",
        readsOneObject: true
      )
      #expect(unwanted.contains("HTTP/1.1 413"), "\(unwanted)")
    }
  }

  @Test(
    arguments: [
      "nonsense\r\n\r\n",
      "GET /health HTTP/3.7\r\nHost: localhost\r\n\r\n",
      "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
      "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
      "GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: " + String(repeating: "a", count: 200_000)
        + "\r\n\r\n",
    ]
  )
  func whatIsNoHTTPGetsAnErrorObject(request: String) async throws {
    try await withServer { server, _ in
      let answer = try await server.exchange(request, readsOneObject: true)
      let parts = answer.components(separatedBy: "\r\n\r\n")
      try #require(parts.count == 2, "\(answer)")
      let head = parts[0].lowercased()
      #expect(head.hasPrefix("http/1.1 400"), "\(answer)")
      #expect(head.contains("content-type: application/json") && head.contains("connection: close"))
      #expect(head.contains("content-length: \(parts[1].utf8.count)"), "\(answer)")
      let fault = try JSONValue.parse(parts[1])["error"]
      #expect(fault?["message"]?.stringValue?.hasPrefix("the request is no HTTP: ") == true)
      #expect(fault?["type"] == "invalid_request_error")
      _ = try await server.post("/v1/completions", completion("Once"))
    }
  }

  @Test func namesOfModelsAreChecked() async throws {
    try await withServer(["--allow-loading"]) { server, model in
      for id in ["", "a\r\nb", String(repeating: "a", count: 300)] {
        let body: JSONValue = ["path": .string(model), "id": .string(id)]
        let answer = try await server.send("POST", "/v1/models", body)
        #expect(answer.status == 400)
        #expect(try answer.document()["error"]?["param"] == "id")
      }
      let id = "q\"\u{301}/ä"
      _ = try await server.post("/v1/models", ["path": .string(model), "id": .string(id)])
      let metrics = try await server.send("GET", "/metrics").text
      #expect(metrics.unicodeScalars.contains("\u{301}"))
      #expect(metrics.contains(#"{model="q\"# + "\"\u{301}/ä\"} 0"), "\(metrics)")
      let deleted = try await server.send("DELETE", "/v1/models/q%22%CC%81%2F%C3%A4")
      #expect(deleted.status == 200, "\(deleted.text)")
    }
  }
}
