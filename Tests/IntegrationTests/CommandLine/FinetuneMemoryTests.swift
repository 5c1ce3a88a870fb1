import Foundation
import TestSupport
import Testing

// `apus-finetune memory`: what is computed from shapes, and what runs took.
extension FinetuneCommandTests {
  @Test func memoryIsCountedFromShapes() throws {
    try withTinyModel { model, _ in
      let document = try document(["memory", model, "--bits", "3", "--planes", "2", "--json"])
      #expect(document["parameters"] as? Int == 31_904)
      let rows = try #require(document["rows"] as? [[String: Any]])
      #expect(rows.map { $0["trainedCount"] as? Int } == [31_904, 1792, 448, 448])
      let text = try run(["memory", model, "--group-size", "16"]).output
      #expect(text.contains("PEQA, 4 bits, groups of 16") && text.contains("AlphaTuning"))
    }
  }

  @Test func memoryNeedsNoWeights() throws {
    try withTinyModel { model, folder in
      let bare = folder + "/bare"
      try FileManager.default.createDirectory(atPath: bare, withIntermediateDirectories: true)
      try FileManager.default.copyItem(
        atPath: model + "/config.json",
        toPath: bare + "/config.json"
      )
      let whole = try run(["memory", model])
      for path in [bare, bare + "/config.json"] {
        let outcome = try run(["memory", path])
        #expect(outcome.status == 0 && outcome.output == whole.output, "\(outcome.error)")
      }
      // Encoders call their maps otherwise.
      try Data(
        #"""
        {"model_type": "bert", "vocab_size": 30, "hidden_size": 16, "num_hidden_layers": 2,
         "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 32,
         "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12}
        """#.utf8
      ).write(to: URL(filePath: bare + "/config.json"))
      let rows = try document(["memory", bare, "--rank", "4", "--json"])["rows"]
      let lora = try #require((rows as? [[String: Any]])?.dropFirst().first)
      #expect(lora["trainedCount"] as? Int == 2 * 2 * 4 * (16 + 16))
    }
  }

  /// Two of PEQA's models are of families that no program here loads: their shapes are enough.
  ///
  /// The numbers of parameters are those of the released models.
  @Test(arguments: [
    (
      #"{"model_type": "gptj", "n_embd": 4096, "n_layer": 28, "n_inner": null, "vocab_size": 50400}"#,
      6_050_882_784, 4096 * 28 * 2
    ),
    (
      #"""
      {"model_type": "gpt_neo", "hidden_size": 2560, "num_layers": 32, "intermediate_size": null,
       "vocab_size": 50257, "max_position_embeddings": 2048}
      """#, 2_651_307_520, 2560 * 32 * 2
    ),
  ])
  func shapesOfThePapersModelsAreKnown(
    _ text: String,
    _ parameters: Int,
    _ widths: Int
  ) throws {
    try withTemporaryFolder { folder in
      let path = folder + "/config.json"
      try Data(text.utf8).write(to: URL(filePath: path))
      let outcome = try run(["memory", path, "--rank", "4", "--json"])
      #expect(outcome.status == 0 && outcome.error.contains("has no LoRA here"), "\(outcome.error)")
      let document = try outcome.document()
      #expect(document["parameters"] as? Int == parameters)
      let lora = try #require((document["rows"] as? [[String: Any]])?.dropFirst().first)
      // Two square layers of each block, A and B of rank 4.
      #expect(lora["trainedCount"] as? Int == 2 * 4 * widths)
      let none = try run(["memory", path, "--targets", ""])
      #expect(none.status == 64 && none.error.contains("--targets is empty"))
    }
  }

  @Test func memoryOfRunsStandsBesideTheComputedOne() throws {
    try withModelAndTexts { model, folder in
      let report = try train(model, "peqa", folder, ["--scheme", "W4"])
      let (run, process) = (folder + "/run", report["peakProcessBytes"] as? Int)
      let document = try document(["memory", model, "--run", run, "--json"])
      let row = try #require((document["runs"] as? [[String: Any]])?.first)
      let inner = try #require(report["report"] as? [String: Any])
      #expect(row["tensorBytes"] as? Int == inner["peakTensorBytes"] as? Int)
      #expect(row["processBytes"] as? Int == process && row["method"] as? String == "peqa")
      #expect(row["trainedCount"] as? Int == 448)
      let text = try self.run(["memory", model, "--run", run]).output
      #expect(text.contains("rtn 4 bits") && text.contains("PEQA, 4 bits, rows"))
      let none = try self.run(["memory", model, "--run", folder + "/none"])
      #expect(none.status == 1 && none.error.contains("--run \(folder)/none"))
      let larger = folder + "/config.json"
      let shape = try String(contentsOfFile: model + "/config.json", encoding: .utf8)
      try Data(
        shape.replacing(#""num_hidden_layers": 2"#, with: #""num_hidden_layers": 3"#).utf8
      ).write(to: URL(filePath: larger))
      let foreign = try self.run(["memory", larger, "--run", run])
      #expect(foreign.status == 1 && foreign.error.contains("is of a model of 31,904 numbers"))
      try Data("{}".utf8).write(to: URL(filePath: run + "/report.json"))
      let other = try self.run(["memory", model, "--run", run])
      #expect(other.status == 1 && other.error.contains("is no report"))
    }
  }
}
