import Checkpoints
import Foundation
import TestSupport
import Testing

/// `apus-serve`, asked over HTTP.
@Suite(.timeLimit(.minutes(5))) struct ServeTests {
  /// Runs a server of the tiny model, with a chat template unless it is to have none.
  private func withServer(
    _ arguments: [String] = [],
    environment: String = "",
    hasTemplate: Bool = true,
    _ body: (_ server: ServerUnderTest, _ model: String) async throws -> Void
  ) async throws {
    try await withTemporaryFolder { folder in
      let model = folder + "/tiny"
      try TinyModel().write(to: model)
      if hasTemplate {
        try Data(GenerateTests.template.utf8)
          .write(to: URL(filePath: model + "/chat_template.jinja"))
      }
      let server = try ServerUnderTest([model] + arguments, environment: environment)
      try await body(server, model)
    }
  }

  private func messages(_ texts: String...) -> JSONValue {
    let roles = ["user", "assistant"]
    return .array(
      texts.enumerated().map { index, text in
        ["role": .string(roles[index % 2]), "content": .string(text)]
      }
    )
  }

  private func chat(_ text: String, _ more: JSONObject = [:]) -> JSONValue {
    var request: JSONObject = [
      "model": "tiny", "messages": messages(text), "temperature": 0, "max_tokens": 20,
    ]
    for (name, value) in more { request[name] = value }
    return .object(request)
  }

  private func completion(_ prompt: JSONValue, _ more: JSONObject = [:]) -> JSONValue {
    var request: JSONObject = [
      "model": "tiny", "prompt": prompt, "temperature": 0, "max_tokens": 20,
    ]
    for (name, value) in more { request[name] = value }
    return .object(request)
  }

  // MARK: Answers

  @Test func completionsAreWhatTheCommandWrites() async throws {
    try await withServer { server, model in
      let expected = try GenerateTests().texts([model, "Once", "One day", "--tokens", "20"])
      let found = try await server.post("/v1/completions", completion(["Once", "One day"]))
      #expect(found["object"] == "text_completion" && found["model"] == "tiny")
      for index in 0..<2 {
        let text = expected[index]["text"] as? String
        #expect(found["choices"]?[index]?["text"]?.stringValue == text)
        #expect(found["choices"]?[index]?["index"]?.intValue == index)
        #expect(found["choices"]?[index]?["finish_reason"] == "length")
      }
      let prompts = expected.compactMap { $0["promptTokens"] as? Int }.reduce(0, +)
      #expect(found["usage"]?["prompt_tokens"]?.intValue == prompts)
      #expect(found["usage"]?["completion_tokens"]?.intValue == 40)
      #expect(found["usage"]?["total_tokens"]?.intValue == prompts + 40)
      // The same from tokens, and with its prompt in front.
      let text = try #require(expected[0]["text"] as? String)
      let echoed = try await server.post("/v1/completions", completion("Once", ["echo": true]))
      #expect(echoed["choices"]?[0]?["text"]?.stringValue == "Once" + text)
      let stop = String(text.dropFirst(3).prefix(3))
      let stopped = try await server.post(
        "/v1/completions",
        completion("Once", ["stop": .string(stop)])
      )
      let end = try #require(text.range(of: stop)).lowerBound
      #expect(stopped["choices"]?[0]?["text"]?.stringValue == String(text[..<end]))
      #expect(stopped["choices"]?[0]?["finish_reason"] == "stop")
    }
  }

  @Test func conversationsGoThroughTheTemplate() async throws {
    try await withServer { server, model in
      let prompt = "[user]Hi\n[assistant]Yes?\n[user]Well\n[assistant]"
      let expected = try GenerateTests().texts([model, prompt, "--raw", "--tokens", "20"])[0]
      let found = try await server.post(
        "/v1/chat/completions",
        chat("", ["messages": messages("Hi", "Yes?", "Well")])
      )
      #expect(found["object"] == "chat.completion")
      let message = found["choices"]?[0]?["message"]
      #expect(message?["role"] == "assistant")
      #expect(message?["content"]?.stringValue == expected["text"] as? String)
      // Contents in parts, and a variable of the template.
      let parts: JSONValue = [
        [
          "role": "user",
          "content": [["type": "text", "text": "H"], ["type": "text", "text": "i"]],
        ]
      ]
      let whole = try await server.post("/v1/chat/completions", chat("Hi"))
      let joined = try await server.post("/v1/chat/completions", chat("", ["messages": parts]))
      #expect(whole["choices"] == joined["choices"])
      let longer = try await server.post(
        "/v1/chat/completions",
        chat("Hi", ["chat_template_kwargs": ["tail": "?"]])
      )
      let counts = [whole, longer].compactMap { $0["usage"]?["prompt_tokens"]?.intValue }
      #expect(counts.count == 2 && counts[1] == counts[0] + 1)
    }
  }

  @Test func streamsBringTheSameTextInPieces() async throws {
    try await withServer { server, _ in
      let whole = try await server.post("/v1/chat/completions", chat("Hi"))
      let stream: JSONObject = ["stream": true, "stream_options": ["include_usage": true]]
      let answer = try await server.send("POST", "/v1/chat/completions", chat("Hi", stream))
      #expect(answer.headers["content-type"]?.hasPrefix("text/event-stream") == true)
      let events = try answer.events()
      #expect(events.allSatisfy { $0["object"] == "chat.completion.chunk" })
      #expect(Set(events.compactMap { $0["id"]?.stringValue }).count == 1)
      let deltas = events.dropLast().compactMap { $0["choices"]?[0]?["delta"] }
      #expect(deltas.first?["role"] == "assistant")
      let text = deltas.compactMap { $0["content"]?.stringValue }.joined()
      #expect(text == whole["choices"]?[0]?["message"]?["content"]?.stringValue)
      let reasons = events.compactMap { $0["choices"]?[0]?["finish_reason"]?.stringValue }
      #expect(reasons == ["length"])
      let last = try #require(events.last)
      #expect(last["choices"]?.arrayValue?.isEmpty == true)
      #expect(last["usage"]?["completion_tokens"] == whole["usage"]?["completion_tokens"])

      let texts = try await server.post("/v1/completions", completion(["A", "B"], ["n": 2]))
      let pieces = try await server.send(
        "POST",
        "/v1/completions",
        completion(["A", "B"], ["n": 2, "stream": true])
      ).events()
      for index in 0..<4 {
        let own = pieces.compactMap { $0["choices"]?[0] }.filter { $0["index"]?.intValue == index }
        let joined = own.compactMap { $0["text"]?.stringValue }.joined()
        #expect(joined == texts["choices"]?[index]?["text"]?.stringValue)
      }
    }
  }

  @Test func aSeedGivesTheSameTextsWhateverElseIsWritten() async throws {
    try await withServer(["--parallel", "4"]) { server, _ in
      let request = completion("Once", ["temperature": 1, "seed": 5, "n": 3])
      let alone = try await server.post("/v1/completions", request)
      let texts = alone["choices"]?.arrayValue?.compactMap { $0["text"]?.stringValue } ?? []
      #expect(Set(texts).count == 3)
      let others = (0..<6).map { self.completion(.string("Other \($0)"), ["n": 2]) }
      try await withThrowingTaskGroup(of: JSONValue?.self) { group in
        for other in others {
          group.addTask {
            _ = try await server.post("/v1/completions", other)
            return nil
          }
        }
        group.addTask { try await server.post("/v1/completions", request) }
        for try await found in group where found != nil {
          #expect(found?["choices"] == alone["choices"])
        }
      }
    }
  }

  @Test func modelsAreListed() async throws {
    try await withServer { server, _ in
      let list = try await server.send("GET", "/v1/models").document()
      #expect(list["object"] == "list" && list["data"]?[0]?["id"] == "tiny")
      let one = try await server.send("GET", "/v1/models/tiny").document()
      #expect(one == list["data"]?[0])
      #expect(one["context_length"]?.intValue == 128)
      #expect(try await server.send("GET", "/health").document()["status"] == "ok")
    }
  }

  @Test func tasksAreModelsOfTheirOwn() async throws {
    try await withTemporaryFolder { folder in
      let (model, base) = (folder + "/tiny", folder + "/base")
      try TinyModel().write(to: model)
      let quantized = try apusQuantize(
        "run",
        model,
        "--output",
        base,
        "--scheme",
        "W4G16",
        "--quiet"
      )
      try #require(quantized.status == 0, "\(quantized.error)")
      try Data(FinetuneCommandTests.text.utf8).write(to: URL(filePath: folder + "/text"))
      try Data(FinetuneCommandTests.heldText.utf8).write(to: URL(filePath: folder + "/held"))
      for (task, rate) in [("law", "3e-3"), ("sea", "1e-2")] {
        let more = ["--learning-rate", rate]
        _ = try FinetuneCommandTests().train(base, "peqa", folder, to: task, more)
      }
      let server = try ServerUnderTest(
        [base, "--adapter", folder + "/law", "--adapter", folder + "/sea"]
      )
      var texts: [String] = []
      // One after the other, and back.
      for task in [nil, "law", "sea", "law", nil] {
        let arguments = task.map { ["--adapter", folder + "/" + $0] } ?? []
        let expected = try GenerateTests().texts([base, "Once", "--tokens", "20"] + arguments)
        var request = try #require(completion("Once").objectValue)
        request["model"] = .string(task.map { "base:\($0)" } ?? "base")
        let found = try await server.post("/v1/completions", .object(request))
        let text = try #require(found["choices"]?[0]?["text"]?.stringValue)
        #expect(text == expected[0]["text"] as? String)
        texts.append(text)
      }
      #expect(Set(texts).count == 3 && texts[1] == texts[3] && texts[0] == texts[4])
    }
  }

  // MARK: Refusals

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
          "completions", "{\"model\": \"tiny\", \"prompt\": \"a\", \"logprobs\": 3}", 400,
          "logprobs", "not supported"
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
      // After all this it still answers.
      _ = try await server.post("/v1/completions", completion("Once"))
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
      for headers in [[:], ["Authorization": "Bearer secre"], ["Authorization": "secret"]] {
        let answer = try await server.send("GET", "/v1/models", headers: headers)
        #expect(answer.status == 401)
        #expect(try answer.document()["error"]?["code"] == "invalid_api_key")
      }
      let key = ["Authorization": "Bearer secret"]
      #expect(try await server.send("GET", "/v1/models", headers: key).status == 200)
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
          + "Content-Type: application/json\r\nContent-Length: 900000000000\r\n\r\nabc"
      )
      #expect(unwanted.contains("HTTP/1.1 413"), "\(unwanted)")
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

  @Test func conversationsDoNotForgetEachOther() async throws {
    try await withServer { server, _ in
      func reused(_ texts: JSONValue) async throws -> (reused: Int, prompt: Int) {
        let request = chat("", ["messages": texts, "max_tokens": 4])
        let usage = try await server.post("/v1/chat/completions", request)["usage"]
        return (
          usage?["prompt_tokens_details"]?["cached_tokens"]?.intValue ?? -1,
          usage?["prompt_tokens"]?.intValue ?? -1
        )
      }
      // Two conversations that begin alike, turn by turn.
      let start = "You and I and all of us"
      let first = try await reused(messages(start + ", one", "a"))
      _ = try await reused(messages(start + ", two", "b"))
      let again = try await reused(messages(start + ", one", "a", "more"))
      // All but the mark of the turn that was to come.
      #expect(again.reused >= first.prompt - 10, "\(again), \(first)")
      let other = try await reused(messages(start + ", two", "b", "more"))
      #expect(other.reused >= first.prompt - 10, "\(other)")
    }
  }

  // MARK: Places

  @Test func whoHangsUpFreesThePlace() async throws {
    try await withServer(["--parallel", "1", "--queue", "127"]) { server, _ in
      // One after the other these take seconds.
      let long = completion("Once", ["n": 128, "max_tokens": 120, "temperature": 1])
      var streamed = try #require(long.objectValue)
      streamed["stream"] = true
      for request in [long, .object(streamed)] {
        try await server.hangUp(on: "/v1/completions", request, after: 0.3)
        let isFree = try await server.waits {
          let running = try await server.metric("texts_running")
          let waiting = try await server.metric("texts_waiting")
          return running == 0 && waiting == 0
        }
        #expect(isFree)
      }
      let brokenOff = try await server.metric("texts_broken_off_total") ?? 0
      #expect(brokenOff >= 2 && brokenOff < 256)
      #expect(server.process.error.contains("499"))
      // The places are free again, all of them.
      let all = completion("Once", ["n": 128, "max_tokens": 1])
      let answer = try await server.post("/v1/completions", all)
      #expect(answer["choices"]?.arrayValue?.count == 128)
    }
  }

  @Test func whoComesWhenAllIsFullIsToldToTryAgain() async throws {
    try await withServer(["--parallel", "1", "--queue", "99"]) { server, _ in
      let long = completion("Once", ["n": 100, "max_tokens": 120, "temperature": 1])
      let first = Task { try await server.post("/v1/completions", long) }
      let isFull = try await server.waits { try await server.metric("texts_waiting") ?? 0 > 50 }
      #expect(isFull)
      let many = completion("Twice", ["n": 80, "max_tokens": 1])
      let second = try await server.send("POST", "/v1/completions", many)
      #expect(second.status == 429 && second.headers["retry-after"] == "1")
      #expect(try second.document()["error"]?["code"] == "rate_limit_exceeded")
      #expect(try await first.value["choices"]?.arrayValue?.count == 100)
      _ = try await server.post("/v1/completions", completion("Twice"))
    }
  }

  @Test func beginningsAreReadOnce() async throws {
    try await withServer { server, _ in
      let first = try await server.post("/v1/chat/completions", chat("Tell me about the sea"))
      let second = try await server.post("/v1/chat/completions", chat("Tell me about the sea"))
      #expect(first["choices"] == second["choices"])
      let details = "prompt_tokens_details"
      #expect(first["usage"]?[details]?["cached_tokens"] == 0)
      let tokens = try #require(second["usage"]?["prompt_tokens"]?.intValue)
      #expect(second["usage"]?[details]?["cached_tokens"]?.intValue == tokens - 1)
    }
  }

  // MARK: Memory

  @Test func aModelThatDoesNotFitIsRefusedWithNumbers() async throws {
    try withTemporaryFolder { folder in
      try TinyModel().write(to: folder + "/tiny")
      let refused = try Invocation(
        [folder + "/tiny", "--port", "0", "--memory", "0.0001"],
        of: "apus-serve"
      )
      #expect(refused.wait() == 1)
      #expect(refused.error.contains("tiny needs "))
      #expect(refused.error.contains("of 100.0 kB are free"), "\(refused.error)")
    }
    // Room for one, not for two.
    let arguments = ["--allow-loading", "--memory", "0.0003", "--parallel", "2"]
    try await withServer(arguments) { server, model in
      let body: JSONValue = ["path": .string(model), "id": "second"]
      let refused = try await server.send("POST", "/v1/models", body)
      #expect(refused.status == 400)
      #expect(refused.text.contains("second needs "))
      #expect(refused.text.contains("of 300.0 kB are free"))
      let taken = try await server.send("POST", "/v1/models", ["path": .string(model)])
      #expect(taken.status == 400 && taken.text.contains("'tiny' is loaded already"))
      #expect(try await server.send("DELETE", "/v1/models/tiny").status == 200)
      #expect(try await server.send("POST", "/v1/completions", completion("a")).status == 404)
      #expect(try await server.send("POST", "/v1/models", body).status == 200)
      var request = try #require(completion("Once").objectValue)
      request["model"] = "second"
      _ = try await server.post("/v1/completions", .object(request))
      let missing = try await server.send("POST", "/v1/models", ["path": "/nowhere"])
      #expect(missing.status == 400 && missing.text.contains("no such file"))
    }
  }

  // MARK: The end

  @Test(arguments: [SIGINT, SIGTERM])
  func aSignalEndsItAndTellsReaders(signal: Int32) async throws {
    try await withServer(["--parallel", "1", "--queue", "127"]) { server, _ in
      let long = completion(
        "Once",
        ["n": 128, "max_tokens": 120, "stream": true, "temperature": 1]
      )
      let reader = Task { try await server.send("POST", "/v1/completions", long) }
      let isWriting = try await server.waits { try await server.metric("texts_waiting") ?? 0 > 50 }
      #expect(isWriting)
      server.process.send(signal)
      #expect(server.process.wait() == 0, "\(server.process.error)")
      #expect(try await reader.value.text.contains("the server is being stopped"))
    }
  }

  @Test func aPortThatIsTakenIsToldInOneLine() async throws {
    try await withServer { server, model in
      let port = String(server.address.split(separator: ":").last ?? "")
      let second = try Invocation([model, "--port", port], of: "apus-serve")
      #expect(second.wait() == 1)
      #expect(second.error.contains("cannot listen at 127.0.0.1:\(port)"), "\(second.error)")
    }
  }
}
