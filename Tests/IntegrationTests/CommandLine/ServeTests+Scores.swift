import Checkpoints
import Foundation
import TestSupport
import Testing

/// Log-probabilities, penalties and biases over HTTP.
extension ServeTests {
  @Test func promptsAreScoredForHarnesses() async throws {
    try await withServer { server, _ in
      // What lm-evaluation-harness sends: tokens in, one token out, and all of them scored.
      let tokens: JSONValue = [40, 41, 42, 43]
      let found = try await server.post(
        "/v1/completions",
        completion(tokens, ["echo": true, "max_tokens": 1, "logprobs": 1])
      )
      let scores = try #require(found["choices"]?[0]?["logprobs"])
      let numbers = try #require(scores["token_logprobs"]?.arrayValue)
      #expect(numbers.count == 5 && numbers[0].isNull)
      #expect(numbers.dropFirst().allSatisfy { $0.doubleValue.map { $0 <= 0 } ?? false })
      let top = try #require(scores["top_logprobs"]?.arrayValue)
      #expect(top.count == 5 && top[0].isNull)
      // The one that was drawn is the likeliest: temperature 0.
      let drawn = top[4].objectValue?.values.compactMap(\.doubleValue).max()
      #expect(drawn == numbers[4].doubleValue)
      let texts = try #require(scores["tokens"]?.arrayValue).compactMap(\.stringValue)
      #expect(found["choices"]?[0]?["text"]?.stringValue == texts.joined())
      #expect(scores["text_offset"]?.arrayValue?.compactMap(\.intValue).first == 0)
      // Without its prompt.
      let written = try await server.post(
        "/v1/completions",
        completion(tokens, ["max_tokens": 1, "logprobs": 0])
      )
      let own = try #require(written["choices"]?[0]?["logprobs"]?["token_logprobs"])
      let difference = try #require(own[0]?.doubleValue) - (numbers[4].doubleValue ?? 0)
      #expect(own.arrayValue?.count == 1 && abs(difference) < 1e-4)
    }
  }

  @Test func promptsAloneAreScored() async throws {
    try await withServer { server, _ in
      let tokens: JSONValue = [40, 41, 42, 43]
      var asked: JSONObject = ["echo": true, "max_tokens": 1, "logprobs": 1]
      let longer = try await server.post("/v1/completions", completion(tokens, asked))
      asked["max_tokens"] = 0
      let alone = try await server.post("/v1/completions", completion(tokens, asked))
      #expect(alone["usage"]?["completion_tokens"] == 0)
      #expect(alone["choices"]?[0]?["finish_reason"] == "length")
      func scores(_ answer: JSONValue, _ name: String) -> [JSONValue] {
        answer["choices"]?[0]?["logprobs"]?[name]?.arrayValue ?? []
      }
      let texts = scores(alone, "tokens").compactMap(\.stringValue)
      #expect(texts.count == 4 && alone["choices"]?[0]?["text"]?.stringValue == texts.joined())
      let numbers = scores(alone, "token_logprobs")
      #expect(numbers.count == 4 && numbers[0].isNull)
      for (number, other) in zip(numbers, scores(longer, "token_logprobs")).dropFirst() {
        let difference = try #require(number.doubleValue) - (other.doubleValue ?? 0)
        #expect(abs(difference) < 1e-4)
      }
      // In a stream, and where nobody asks for scores.
      asked["stream"] = true
      let events = try await server.send("POST", "/v1/completions", completion(tokens, asked))
        .events()
      let pieces = events.compactMap { $0["choices"]?[0]?["text"]?.stringValue }
      #expect(pieces.joined() == texts.joined())
      let echo: JSONObject = ["echo": true, "max_tokens": 0]
      let echoed = try await server.post("/v1/completions", completion(tokens, echo))
      #expect(echoed["choices"]?[0]?["text"]?.stringValue == texts.joined())
    }
  }

  @Test func conversationsAreScored() async throws {
    try await withServer { server, _ in
      var asked: JSONObject = ["logprobs": true, "top_logprobs": 2]
      let whole = try await server.post("/v1/chat/completions", chat("Hi", asked))
      let scores = try #require(whole["choices"]?[0]?["logprobs"]?["content"]?.arrayValue)
      #expect(scores.count == 20)
      for score in scores {
        let top = try #require(score["top_logprobs"]?.arrayValue)
        #expect(top.count == 2 && top[0]["token"] == score["token"])
        #expect(top[0]["logprob"] == score["logprob"])
      }
      let bytes = scores.flatMap { $0["bytes"]?.arrayValue?.compactMap(\.intValue) ?? [] }
      let text = try #require(whole["choices"]?[0]?["message"]?["content"]?.stringValue)
      #expect(String(decoding: bytes.map(UInt8.init), as: UTF8.self) == text)
      // In a stream every token comes once.
      asked["stream"] = true
      let answer = try await server.send("POST", "/v1/chat/completions", chat("Hi", asked))
      let parts = try answer.events()
        .flatMap { $0["choices"]?[0]?["logprobs"]?["content"]?.arrayValue ?? [] }
      #expect(parts.map { $0["token"] } == scores.map { $0["token"] })
    }
  }

  @Test func biasesAndPenaltiesChangeWhatIsWritten() async throws {
    try await withServer { server, _ in
      func tokens(_ more: JSONObject) async throws -> [JSONValue] {
        var asked = more
        asked["logprobs"] = 0
        let found = try await server.post("/v1/completions", completion([40, 41], asked))
        return found["choices"]?[0]?["logprobs"]?["tokens"]?.arrayValue ?? []
      }
      let forced = try await tokens(["logit_bias": ["65": 100]])
      #expect(forced.count == 20 && Set(forced.map { "\($0)" }).count == 1)
      // A penalty as large as the bias of two tokens makes them take turns.
      let turns = try await tokens([
        "logit_bias": ["65": 100, "66": 100], "frequency_penalty": 2, "presence_penalty": 2,
      ])
      #expect(Set(turns.map { "\($0)" }).count == 2)
    }
  }
}
