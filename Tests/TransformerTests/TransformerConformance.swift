import Autograd
import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing
import Transformer

/// Runs every model under `transformer/models` and `transformer/gguf` whose family is supported.
@Suite struct TransformerConformance {
  static let families: Set<String> = ["llama"]
  static let modelFolder = "transformer/models"

  /// The supported models, each with the configuration files that it has.
  static let models: [String] = Fixtures.names(in: modelFolder).flatMap { name -> [String] in
    let folder = Fixtures.folder(modelFolder + "/" + name)
    return ["config.json", "config.v5.json"].compactMap { file in
      let family = try? JSONValue.read(folder + "/" + file)["model_type"]?.stringValue
      return family.map { families.contains($0) } == true ? name + "/" + file : nil
    }
  }

  static let ggufModels: [String] =
    Fixtures.names(in: "transformer/gguf", suffix: ".gguf").filter { name in
      name.hasPrefix("llama")
    }

  @Test func fixturesAreThere() {
    #expect(!Self.models.isEmpty)
    #expect(!Self.ggufModels.isEmpty)
  }

  /// Opens a model folder with the named configuration file in the place of config.json.
  func withModel(_ path: String, _ body: (PretrainedModel, SafetensorsFile) throws -> Void) throws {
    let parts = path.split(separator: "/").map(String.init)
    let folder = Fixtures.folder(Self.modelFolder + "/" + parts[0])
    try withTemporaryFolder { temporary in
      for name in try FileManager.default.contentsOfDirectory(atPath: folder)
      where !name.hasPrefix("config") {
        try FileManager.default.copyItem(
          atPath: folder + "/" + name,
          toPath: temporary + "/" + name
        )
      }
      // The expectations are no part of the model.
      let expected = try SafetensorsFile(path: folder + "/expected.safetensors", mode: .inMemory)
      try FileManager.default.removeItem(atPath: temporary + "/expected.safetensors")
      try FileManager.default.copyItem(
        atPath: folder + "/" + parts[1],
        toPath: temporary + "/config.json"
      )
      try body(PretrainedModel(at: URL(filePath: temporary)), expected)
    }
  }

  @Test(arguments: models) func logitsAndHiddenStates(path: String) throws {
    try withModel(path) { pretrained, expected in
      let model = try pretrained.makeModel()
      let ids = try expected.tensor(named: "input_ids", as: Int32.self)  // [B × T]
      let logits = try expected.tensor(named: "logits")  // [B × T × V]
      let hidden = try expected.tensor(named: "hidden_states")  // [L × B × T × D]
      let final = try expected.tensor(named: "final_hidden")  // [B × T × D]
      for row in 0..<ids.shape[0] {
        var depths: [Tensor<Float>] = []
        let states = model.hiddenStates(ids[row].elements, cache: model.makeCache()) {
          depths.append($1)
        }
        for depth in 0..<hidden.shape[0] {
          expectClose(
            depths[depth].elements,
            hidden[depth][row].elements,
            relative: 1e-5,
            absolute: 5e-5
          )
        }
        expectClose(states.elements, final[row].elements, relative: 1e-5, absolute: 5e-5)
        expectClose(
          model.head(states).elements,
          logits[row].elements,
          relative: 1e-5,
          absolute: 5e-5
        )
      }
    }
  }

  @Test(arguments: models) func loss(path: String) throws {
    try withModel(path) { pretrained, expected in
      let model = try pretrained.makeModel()
      let ids = try expected.tensor(named: "input_ids", as: Int32.self)
      let labels = try expected.tensor(named: "labels", as: Int32.self)
      var total = 0.0
      var count = 0
      for row in 0..<ids.shape[0] {
        let tokens = ids[row].elements
        let losses = model.nextTokenLosses(tokens, predicted: tokens.count - 1)
        for (loss, label) in zip(losses, labels[row].elements.dropFirst()) where label >= 0 {
          total += Double(loss)
          count += 1
        }
      }
      let wanted = Double(try expected.tensor(named: "loss").item)
      #expect(abs(total / Double(count) - wanted) < 1e-5)
    }
  }

  @Test(arguments: models) func greedyContinuation(path: String) throws {
    try withModel(path) { pretrained, expected in
      let model = try pretrained.makeModel()
      let prompt = try expected.tensor(named: "greedy_prompt", as: Int32.self).elements
      let output = try expected.tensor(named: "greedy_output", as: Int32.self).elements
      let options = GenerationOptions(maximumTokens: output.count - prompt.count)
      #expect(prompt + Array(model.generate(after: prompt, options: options)) == output)
    }
  }

  @Test(arguments: models) func paddedRows(path: String) throws {
    try withModel(path) { pretrained, expected in
      guard expected["padded_input_ids"] != nil else { return }
      let model = try pretrained.makeModel()
      let ids = try expected.tensor(named: "padded_input_ids", as: Int32.self)
      let mask = try expected.tensor(named: "padded_attention_mask", as: Int32.self)
      let logits = try expected.tensor(named: "padded_logits")
      for row in 0..<ids.shape[0] {
        // Padding on the left is no token: the first real one stands at position 0.
        let first = mask[row].elements.firstIndex(of: 1) ?? 0
        let tokens = Array(ids[row].elements[first...])
        let found = model(tokens, cache: model.makeCache())
        expectClose(
          found.elements,
          logits[row][first..<ids.shape[1]].elements,
          relative: 1e-5,
          absolute: 5e-5
        )
      }
    }
  }

  @Test(arguments: ggufModels) func ggufLogits(name: String) throws {
    let folder = Fixtures.folder("transformer/gguf")
    let pretrained = try PretrainedModel(at: URL(filePath: folder + "/" + name))
    let model = try pretrained.makeModel()
    let expected = try SafetensorsFile(
      path: folder + "/" + name.replacing(".gguf", with: ".expected.safetensors")
    )
    let ids = try expected.tensor(named: "input_ids", as: Int32.self)
    let logits = try expected.tensor(named: "logits")
    for row in 0..<ids.shape[0] {
      let found = model(ids[row].elements, cache: model.makeCache())
      expectClose(found.elements, logits[row].elements, relative: 1e-5, absolute: 5e-5)
    }
  }
}
