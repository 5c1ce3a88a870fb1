import Foundation
import TestSupport
import Testing

@Suite struct InspectTests {
  static let stories = "models/stories260k/stories260k-f32.gguf"

  @Test func peopleSeeOneLineForTheLayersThatAreAlike() throws {
    try withTinyModel { model, _ in
      let outcome = try apusQuantize("inspect", model)
      #expect(outcome.status == 0 && outcome.error.isEmpty)
      let lines = outcome.output.split(separator: "\n").map { line in
        line.split(separator: " ").map { String($0) }
      }
      // 512·32 + 2·(2·32² + 2·16·32 + 3·48·32 + 2·32) + 32 numbers of four bytes.
      #expect(lines.contains(["parameters", "31,904", "(31.9", "K)"]))
      #expect(lines.contains(["bits", "per", "weight", "32.000"]))
      #expect(lines.contains(["model.layers.*.mlp.up_proj.weight", "F32", "48×32", "12,288", "2"]))
      #expect(!outcome.output.contains("model.layers.0."))
      let all = try apusQuantize("inspect", model, "--tensors").output
      #expect(all.contains("model.layers.1.mlp.up_proj.weight"))
    }
  }

  @Test func machinesGetEverything() throws {
    try withTinyModel { model, _ in
      let document = try apusQuantize("inspect", model, "--json").document()
      #expect(document["parameters"] as? Int == 31_904)
      #expect(document["bytes"] as? Int == 127_616)
      #expect((document["tensors"] as? [Any])?.count == 20)
      let configuration = try #require(document["configuration"] as? [String: Any])
      #expect(configuration["hiddenWidth"] as? Int == 32)
      let tokenizer = try #require(document["tokenizer"] as? [String: Any])
      #expect(tokenizer["tokens"] as? Int == 512 && tokenizer["beginToken"] as? String == "<s>")
    }
  }

  @Test func tensorsOfAnUnknownFamilyAreShown() throws {
    try withTinyModel { model, _ in
      let config = URL(filePath: model + "/config.json")
      let text = try String(contentsOf: config, encoding: .utf8)
      try Data(text.replacing("\"llama\"", with: "\"other\"").utf8).write(to: config)
      let outcome = try apusQuantize("inspect", model)
      #expect(outcome.status == 0)
      #expect(outcome.output.contains("only tensors") && outcome.output.contains("'other'"))
      #expect(outcome.output.contains("model.layers.*.mlp.up_proj.weight"))
      let generation = try apusGenerate(model, "a")
      #expect(generation.status == 1 && generation.error.contains("'other'"))
    }
  }

  @Test(.enabled(if: DataFolder.has(stories), "\(DataFolder.skipMessage(stories))"))
  func tensorsOfAnUnknownArchitectureAreShown() throws {
    try withTemporaryFolder { folder in
      var bytes = try Data(contentsOf: URL(filePath: DataFolder.path(Self.stories)))
      while let range = bytes.range(of: Data("llama".utf8)) {
        bytes.replaceSubrange(range, with: Data("other".utf8))
      }
      let path = folder + "/other.gguf"
      try bytes.write(to: URL(filePath: path))
      let outcome = try apusQuantize("inspect", path)
      #expect(outcome.status == 0, "\(outcome.error)")
      #expect(outcome.output.contains("blk.*.ffn_up.weight"))
      #expect(try apusGenerate(path, "a").status == 1)
    }
  }

  @Test func damageIsNamed() throws {
    try withTinyModel { model, _ in
      let file = URL(filePath: model + "/model.safetensors")
      try Data(contentsOf: file).prefix(5000).write(to: file)
      let outcome = try apusQuantize("inspect", model)
      #expect(outcome.status == 1 && outcome.output.isEmpty)
      #expect(outcome.error.contains("model.safetensors"))
      #expect(outcome.errorLines.count == 1)
    }
  }

  @Test func aReaderThatLeavesIsNoAccident() throws {
    try withTinyModel(TinyModel(blockCount: 60)) { model, _ in
      let outcome = try apusQuantize(
        "inspect",
        model,
        "--json",
        through: "(\"$0\" \"$@\"; echo \"code $?\" >&2) | head -n 1"
      )
      #expect(outcome.output == "{\n")
      // The whole document may fit into the pipe before its reader leaves.
      #expect(["code 141\n", "code 0\n"].contains(outcome.error), "\(outcome.error)")
    }
  }

  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/dev/full"), "needs /dev/full"))
  func aFullStandardOutputIsReported() throws {
    try withTinyModel { model, _ in
      let outcome = try apusQuantize("inspect", model, through: "\"$0\" \"$@\" > /dev/full")
      #expect(outcome.status == 1)
      #expect(
        outcome.error
          == "apus-quantize: cannot write to standard output: no space left on device\n"
      )
    }
  }
}
