import Checkpoints
import Foundation
import TestSupport
import Testing

/// `apus-serve`, asked over HTTP.
@Suite(.timeLimit(.minutes(10))) struct ServeTests {
  /// A model that takes a millisecond for a token, so that hundreds of texts are still being written
  /// when a busy test comes to its next line.
  static let slowModel = TinyModel(hiddenWidth: 256, feedForwardWidth: 768, blockCount: 12)

  /// Runs a server of the tiny model, with a chat template unless it is to have none.
  func withServer(
    _ arguments: [String] = [],
    of tiny: TinyModel = TinyModel(),
    environment: String = "",
    hasTemplate: Bool = true,
    _ body: (_ server: ServerUnderTest, _ model: String) async throws -> Void
  ) async throws {
    try await withTemporaryFolder { folder in
      let model = folder + "/tiny"
      try tiny.write(to: model)
      if hasTemplate {
        try Data(GenerateTests.template.utf8)
          .write(to: URL(filePath: model + "/chat_template.jinja"))
      }
      let server = try ServerUnderTest([model] + arguments, environment: environment)
      try await body(server, model)
    }
  }

  func messages(_ texts: String...) -> JSONValue {
    let roles = ["user", "assistant"]
    return .array(
      texts.enumerated().map { index, text in
        ["role": .string(roles[index % 2]), "content": .string(text)]
      }
    )
  }

  func chat(_ text: String, _ more: JSONObject = [:]) -> JSONValue {
    var request: JSONObject = [
      "model": "tiny", "messages": messages(text), "temperature": 0, "max_tokens": 20,
    ]
    for (name, value) in more { request[name] = value }
    return .object(request)
  }

  func completion(_ prompt: JSONValue, _ more: JSONObject = [:]) -> JSONValue {
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
}
