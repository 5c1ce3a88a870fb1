import Foundation
import TestSupport
import Testing
import Transformer

@Suite struct TokenizerCommandTests {
  static let text = PretrainCommandTests.text

  private func run(_ arguments: [String], of name: String = "apus-pretrain") throws -> Outcome {
    let invocation = try Invocation(arguments, of: name)
    let status = invocation.wait()
    return Outcome(status: status, output: invocation.output, error: invocation.error)
  }

  /// tokenizer → tokenize → train → generate, with the tokenizer of the first step in each.
  @Test(.timeLimit(.minutes(10))) func aTokenizerGoesAllTheWay() throws {
    try withTemporaryFolder { folder in
      try Data(Self.text.utf8).write(to: URL(filePath: folder + "/text"))
      let learned = try run([
        "tokenizer", folder + "/text", "--output", folder + "/tokenizer", "--vocabulary", "300",
        "--special", "<|user|>", "--bos", "<|start|>", "--json", "--quiet",
      ])
      #expect(learned.status == 0, "\(learned.error)")
      #expect(learned.error.isEmpty)
      let summary = try learned.document()
      #expect(summary["vocabulary"] as? Int == 300 && summary["ending"] as? String == "complete")
      let files = ["tokenizer.json", "tokenizer_config.json"].map { folder + "/tokenizer/" + $0 }
      #expect((summary["files"] as? [String])?.sorted() == files)
      let tokenizer = try Tokenizer(contentsOf: URL(filePath: folder + "/tokenizer"))
      #expect(tokenizer.specialTokens == ["<|user|>": 0, "<|start|>": 1, "<|endoftext|>": 2])
      #expect((tokenizer.bosID, tokenizer.eosID) == (1, 2))

      for (name, path) in [("a", "/tokenizer"), ("b", "/tokenizer/tokenizer.json")] {
        let packed = try run([
          "tokenize", folder + "/text", "--tokenizer", folder + path, "--json", "--quiet",
          "--output", folder + "/" + name,
        ])
        #expect(packed.status == 0, "\(packed.error)")
        let tokens = try TokenFile(path: folder + "/" + name)
        #expect(try packed.document()["tokens"] as? Int == tokens.count)
        #expect(tokens[0..<tokens.count] == tokenizer.encode(Self.text) + [2])
      }
      let first = try Data(contentsOf: URL(filePath: folder + "/a"))
      #expect(try Data(contentsOf: URL(filePath: folder + "/b")) == first)

      let trained = try run(
        [
          "train", folder + "/a", "--output", folder + "/run", "--tokenizer", folder + "/tokenizer",
          "--steps", "20", "--quiet",
        ] + PretrainCommandTests.size
      )
      #expect(trained.status == 0, "\(trained.error)")
      for file in files {
        let copy = folder + "/run/model/" + (file as NSString).lastPathComponent
        #expect(FileManager.default.contentsEqual(atPath: file, andPath: copy))
      }
      let model = try PretrainedModel(at: URL(filePath: folder + "/run/model"))
      #expect(model.stopTokens == [2])
      let generated = try run(
        [folder + "/run/model", "It was in July", "--quiet"],
        of: "apus-generate"
      )
      #expect(generated.status == 0, "\(generated.error)")
      #expect(!generated.output.isEmpty)
    }
  }

  @Test func aJSONPathIsTheTokenizerAlone() throws {
    try withTemporaryFolder { folder in
      try Data(Self.text.utf8).write(to: URL(filePath: folder + "/text"))
      let outcome = try run([
        "tokenizer", folder + "/text", "--output", folder + "/small.json", "--vocabulary", "256",
        "--eos", "", "--pattern", "smollm",
      ])
      #expect(outcome.status == 0, "\(outcome.error)")
      let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
      #expect(names == ["small.json", "text"])
      let tokenizer = try Tokenizer(contentsOf: URL(filePath: folder + "/small.json"))
      #expect(tokenizer.vocabularyCount == 256 && tokenizer.eosID == nil)
    }
  }

  @Test func wrongArgumentsAreExplained() throws {
    try withTemporaryFolder { folder in
      let text = folder + "/text"
      try Data(Self.text.utf8).write(to: URL(filePath: text))
      try Data(" \n".utf8).write(to: URL(filePath: folder + "/blank"))
      try Data([0x61, 0xFF, 0x62]).write(to: URL(filePath: folder + "/bytes"))
      for (arguments, part) in [
        ([text, "--vocabulary", "256"], "257 or more"),
        ([text, "--special", "<s>", "<s>"], "listed twice"),
        ([text, "--pattern", "bert"], "bert"),
        ([folder + "/blank"], "is empty"),
        ([folder + "/bytes"], "not UTF-8 (byte 1)"),
        ([folder + "/none"], "none"),
        ([folder], "is a folder"),
      ] {
        let outcome = try run(["tokenizer"] + arguments + ["--output", folder + "/out"])
        #expect(
          outcome.status != 0 && outcome.error.contains(part),
          "\(arguments): \(outcome.error)"
        )
        #expect(outcome.error.hasPrefix("apus-pretrain: ") || outcome.error.contains("\napus-"))
        #expect(!FileManager.default.fileExists(atPath: folder + "/out"))
      }
    }
  }

  @Test func tokensOfAnotherTokenizerAreRefused() throws {
    try withTemporaryFolder { folder in
      let text = folder + "/text"
      try Data(Self.text.utf8).write(to: URL(filePath: text))
      for (name, size) in [("a", "300"), ("b", "301")] {
        let path = folder + "/" + name
        let learned = try run(["tokenizer", text, "-o", path, "--vocabulary", size, "-q"])
        #expect(learned.status == 0, "\(learned.error)")
      }
      let packed = try run([
        "tokenize", text, "--tokenizer", folder + "/a", "-o", folder + "/tokens", "-q",
      ])
      #expect(packed.status == 0, "\(packed.error)")
      let outcome = try run([
        "train", folder + "/tokens", "-o", folder + "/run", "--tokenizer", folder + "/b",
      ])
      #expect(outcome.status == 1 && outcome.error.contains("was not made by the tokenizer"))
    }
  }
}
