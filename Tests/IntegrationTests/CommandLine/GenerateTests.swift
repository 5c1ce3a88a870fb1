import Foundation
import TestSupport
import Testing

/// `apus-generate` with several prompts, stops and conversations.
@Suite struct GenerateTests {
  static let template =
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ tail }}\n{% endfor %}"
    + "{% if add_generation_prompt %}[assistant]{% endif %}"

  func texts(_ arguments: [String]) throws -> [[String: Any]] {
    let run = try Invocation(arguments + ["--json", "--quiet"], of: "apus-generate")
    #expect(run.wait() == 0, "\(run.error)")
    let object = try JSONSerialization.jsonObject(with: Data(run.output.utf8))
    return try #require((object as? [String: Any])?["texts"] as? [[String: Any]])
  }

  @Test func promptsOfABatchAreWhatTheyAreAlone() throws {
    try withTinyModel { model, folder in
      let prompts = ["Once", "One day, Tim", "Lily"]
      let alone = try prompts.map { try texts([model, $0, "--tokens", "20"])[0] }
      try Data("\(prompts[1])\n\n\(prompts[2])\r\n".utf8)
        .write(to: URL(filePath: folder + "/prompts"))
      let arguments = [model, prompts[0], "--prompt-file", folder + "/prompts", "--tokens", "20"]
      let batch = try texts(arguments)
      #expect(batch.count == 3)
      for (one, other) in zip(batch, alone) {
        #expect(one["tokens"] as? [Int] == other["tokens"] as? [Int])
        #expect(one["prompt"] as? String == other["prompt"] as? String)
      }
      let run = try Invocation(arguments, of: "apus-generate")
      #expect(run.wait() == 0)
      #expect(run.output.components(separatedBy: "── ").count == 4)
      #expect(run.error.contains("3 prompts of together"))
    }
  }

  /// A line for each test and number of threads, every run counted; what a depth leaves no room for is refused.
  @Test(arguments: [(0, ["pp16", "tg4"]), (40, ["pp16 @ d40", "tg4 @ d40"])])
  func speedsAreMeasured(depth: Int, names: [String]) throws {
    try withTinyModel { model, _ in
      let bench = [
        model, "--bench", "--bench-prompt", "16", "--bench-tokens", "4", "--repetitions", "3",
        "--threads", "1", "--threads", "2", "--kv-bits", "8", "--quiet",
      ]
      let wanted = ["--bench-depth", "\(depth)", "--json"]
      let run = try Invocation(bench + wanted, of: "apus-generate")
      #expect(run.wait() == 0, "\(run.error)")
      let lines = try #require(
        try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [[String: Any]]
      )
      #expect(lines.map { $0["test"] as? String } == names + names)
      #expect(lines.map { $0["threads"] as? Int } == [1, 1, 2, 2])
      for line in lines {
        let rates = try #require(line["rates"] as? [Double])
        #expect(rates.count == 3 && rates.allSatisfy { $0 > 0 })
      }
      let deep = try Invocation(bench + ["--bench-depth", "\(Int.max)"], of: "apus-generate")
      #expect(deep.wait() == 64 && deep.error.contains("choose fewer for --bench-prompt"))
    }
  }

  @Test func stopTextsEndTexts() throws {
    try withTinyModel { model, _ in
      let whole = try #require(try texts([model, "Once", "--tokens", "40"])[0]["text"] as? String)
      let stop = String(whole.dropFirst(4).prefix(3))
      let cut = try texts([model, "Once", "--tokens", "40", "--stop", stop])[0]
      let end = try #require(whole.range(of: stop)).lowerBound
      #expect(cut["text"] as? String == String(whole[..<end]))
      #expect(cut["finish"] as? String == "stopText")
    }
  }

  /// Puts a chat template into the tiny model's folder.
  func addTemplate(to model: String) throws {
    try Data(Self.template.utf8).write(to: URL(filePath: model + "/chat_template.jinja"))
  }

  @Test func chatRendersThePrompt() throws {
    try withTinyModel { model, _ in
      let refused = try Invocation([model, "Hi", "--chat"], of: "apus-generate")
      #expect(refused.wait() == 1 && refused.error.contains("not for conversations"))
      try addTemplate(to: model)
      let plain = try texts([model, "[system]Be.!\n[user]Hi!\n[assistant]", "--raw"])[0]
      let chat = try texts([
        model, "Hi", "--chat", "--system", "Be.", "--set", "tail=!", "--tokens", "64",
      ])[0]
      #expect(chat["tokens"] as? [Int] == plain["tokens"] as? [Int])
      #expect(chat["promptTokens"] as? Int == plain["promptTokens"] as? Int)
    }
  }

  @Test func conversationsGoLineByLine() throws {
    try withTinyModel { model, _ in
      try addTemplate(to: model)
      let run = try Invocation(
        [model, "--chat", "--tokens", "8"],
        of: "apus-generate",
        through: #"printf 'Hi\n\nMore' | "$0" "$@""#
      )
      #expect(run.wait() == 0, "\(run.error)")
      let first = try #require(
        try texts([model, "Hi", "--chat", "--tokens", "8"])[0]["text"] as? String
      )
      #expect(run.output.hasPrefix(first + "\n"))
      #expect(run.output.count > first.count + 2)
      // The speed of each answer, and no prompt: nobody types here.
      #expect(run.error.components(separatedBy: "tokens/s)\n").count == 3, "\(run.error)")
      #expect(!run.error.contains("> "))
    }
  }

  @Test func anInterruptEndsTheWaitForALine() throws {
    try withTinyModel { model, _ in
      try addTemplate(to: model)
      // The first line is answered; then nothing more comes.
      let input = Pipe()
      let run = try Invocation(
        [model, "--chat", "--tokens", "8"],
        of: "apus-generate",
        input: input
      )
      try input.fileHandleForWriting.write(contentsOf: Data("Hi\n".utf8))
      #expect(run.waits { run.output.contains("\n") })
      run.send(SIGINT)
      #expect(run.wait() == 130)
    }
  }
}
