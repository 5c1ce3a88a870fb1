import Foundation
import TestSupport
import Testing

/// `apus-quantize eval` and `apus-generate` on a tiny model and on a real one.
@Suite struct EvaluateAndGenerateTests {
  static let stories = "models/stories260k"
  let text = String(
    repeating: "One day, Tim and Lily went to the park. They were happy.\n",
    count: 60
  )

  @Test func modelsAreComparedWithTheFirst() throws {
    try withTinyModel { model, folder in
      let (text, small) = (folder + "/text", folder + "/small")
      try Data(self.text.utf8).write(to: URL(filePath: text))
      #expect(try apusQuantize("run", model, "-o", small, "--bits", "2").status == 0)
      let document = try apusQuantize(
        "eval",
        model,
        small,
        model,
        "--text",
        text,
        "--window",
        "64",
        "--json",
        "--quiet"
      ).document()
      let models = try #require(document["models"] as? [[String: Any]])
      let perplexities = models.compactMap { $0["perplexity"] as? Double }
      #expect(perplexities.count == 3 && perplexities[0] == perplexities[2])
      #expect(models[0]["delta"] == nil && models[2]["delta"] as? Double == 0)
      let delta = try #require(models[1]["delta"] as? Double)
      #expect(abs(delta - (perplexities[1] - perplexities[0])) < 1e-9)
      let windows = try #require(models[0]["windowLosses"] as? [Double])
      #expect(models[0]["windows"] as? Int == windows.count && windows.count > 10)
    }
  }

  @Test func optionsReachTheModel() throws {
    try withTinyModel { model, folder in
      try Data(text.utf8).write(to: URL(filePath: folder + "/text"))
      func options(_ more: String...) throws -> [String: Any] {
        let run = try Invocation(["eval", model, "--text", folder + "/text", "--json"] + more)
        #expect(run.wait() == 0, "\(run.error)")
        let object = try JSONSerialization.jsonObject(with: Data(run.output.utf8))
        let models = (object as? [String: Any])?["models"] as? [[String: Any]]
        return try #require(models?.first)
      }
      let usual = try #require(try options()["options"] as? [String: Any])
      // The context of 128 is below the default window; this tokenizer begins texts with 1.
      #expect(usual["window"] as? Int == 128 && usual["leadingToken"] as? Int == 1)
      let plain = try options("--no-bos", "--stride", "32", "--weighting", "windows")
      let settings = try #require(plain["options"] as? [String: Any])
      #expect(settings["leadingToken"] == nil && settings["stride"] as? Int == 32)
      #expect(settings["weighting"] as? String == "windows")
      #expect(try options("--max-windows", "3")["windows"] as? Int == 3)
      #expect(try options("--characters", "40")["windows"] as? Int == 1)
    }
  }

  @Test func theTableNamesEveryModel() throws {
    try withTinyModel { model, folder in
      try Data(text.utf8).write(to: URL(filePath: folder + "/text"))
      let outcome = try apusQuantize("eval", model, model, "--text", folder + "/text")
      #expect(outcome.status == 0)
      let lines = outcome.output.split(separator: "\n")
      // No difference, no divergence, and the same likeliest tokens.
      #expect(lines.count == 4 && lines[3].contains("+0.0000"))
      let cells = lines[3].split(separator: " ")
      #expect(cells.last == "100.0%" && cells.dropLast().last?.hasSuffix("0.0000") == true)
      #expect(outcome.errorLines.count == 1 && outcome.error.contains("windows in"))
      #expect(outcome.error.contains("perplexity"))
    }
  }

  @Test func theSameSeedGivesTheSameText() throws {
    try withTinyModel { model, _ in
      func tokens(seed: String) throws -> [Int] {
        let document = try apusGenerate(
          model,
          "Once",
          "--temperature",
          "1",
          "--top-k",
          "50",
          "--top-p",
          "0.9",
          "--seed",
          seed,
          "--json"
        ).document()
        let texts = try #require(document["texts"] as? [[String: Any]])
        return try #require(texts.first?["tokens"] as? [Int])
      }
      let (first, again, other) = try (tokens(seed: "1"), tokens(seed: "1"), tokens(seed: "2"))
      #expect(first == again)
      #expect(first != other)
    }
  }

  @Test func rawPromptsHaveNoFirstToken() throws {
    try withTinyModel { model, _ in
      func count(_ more: String...) throws -> Int? {
        let run = try Invocation(
          [model, "<s>", "--tokens", "1", "--json"] + more,
          of: "apus-generate"
        )
        #expect(run.wait() == 0, "\(run.error)")
        let object = try JSONSerialization.jsonObject(with: Data(run.output.utf8))
        let texts = (object as? [String: Any])?["texts"] as? [[String: Any]]
        return texts?.first?["promptTokens"] as? Int
      }
      #expect(try count() == 2, "the tokenizer's own first token, and the one in the prompt")
      #expect(try count("--bos") == 2)
      #expect(try count("--raw").map { $0 > 2 } == true, "the words are plain text")
      let empty = try apusGenerate(model, "", "--raw")
      #expect(empty.status == 1 && empty.error.contains("the prompt is empty"))
      let long = String(repeating: "word ", count: 200)
      let full = try apusGenerate(model, long)
      #expect(full.status == 1 && full.error.contains("has room for 128"))
    }
  }

  @Test(.enabled(if: DataFolder.has(stories), "\(DataFolder.skipMessage(stories))"))
  func aRealModelTellsItsStory() throws {
    let folder = DataFolder.path(Self.stories)
    for model in [folder, folder + "/stories260k-f32.gguf"] {
      let outcome = try apusGenerate(model, "Once upon a time", "--tokens", "40")
      #expect(outcome.status == 0)
      #expect(
        outcome.output.hasPrefix(
          ", there was a little girl named Lily. She loved to play outside in the park."
        )
      )
      #expect(outcome.error.contains("tokens/s"))
    }
  }
}
