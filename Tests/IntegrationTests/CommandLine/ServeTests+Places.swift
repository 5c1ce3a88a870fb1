import Checkpoints
import Foundation
import TestSupport
import Testing

extension ServeTests {
  @Test func whoHangsUpFreesThePlace() async throws {
    try await withServer(["--parallel", "1", "--queue", "127"], of: Self.slowModel) { server, _ in
      // One after the other these take many seconds.
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
      // On a busy machine not one of them may have come to its end.
      #expect((2...256).contains(brokenOff))
      #expect(server.process.error.contains("499"))
      // The places are free again, all of them.
      let all = completion("Once", ["n": 128, "max_tokens": 1])
      let answer = try await server.post("/v1/completions", all)
      #expect(answer["choices"]?.arrayValue?.count == 128)
    }
  }

  @Test func whoComesWhenAllIsFullIsToldToTryAgain() async throws {
    try await withServer(["--parallel", "1", "--queue", "99"], of: Self.slowModel) { server, _ in
      let long = completion("Once", ["n": 100, "max_tokens": 60, "temperature": 1])
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

  @Test func aTextHasNoMoreTokensThanTheContext() async throws {
    try await withServer(["--context", "64"]) { server, _ in
      // No stop token ends it before.
      let asked: JSONObject = ["max_tokens": 500, "logit_bias": ["2": -100]]
      for prompt: JSONValue in [[40, 41, 42], .array(Array(repeating: 40, count: 63))] {
        let answer = try await server.post("/v1/completions", completion(prompt, asked))
        #expect(answer["usage"]?["total_tokens"] == 64)
        #expect(answer["choices"]?[0]?["finish_reason"] == "length")
      }
      var request = try #require(chat("Hi", ["logit_bias": ["2": -100]]).objectValue)
      request["max_tokens"] = nil
      let answer = try await server.post("/v1/chat/completions", .object(request))
      #expect(answer["usage"]?["total_tokens"] == 64)
    }
  }

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
    let arguments = ["--allow-loading", "--memory", "0.0018", "--parallel", "2"]
    try await withServer(arguments) { server, model in
      let body: JSONValue = ["path": .string(model), "id": "second"]
      let refused = try await server.send("POST", "/v1/models", body)
      #expect(refused.status == 400)
      #expect(refused.text.contains("second needs "))
      #expect(refused.text.contains("of 1.8 MB are free"))
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
    try await withServer(["--parallel", "1", "--queue", "127"], of: Self.slowModel) { server, _ in
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
}
