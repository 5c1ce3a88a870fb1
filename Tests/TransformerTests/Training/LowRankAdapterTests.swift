import Autograd
import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing
import Transformer

@Suite struct LowRankAdapterTests {
  private let tokens: [Int32] = [3, 17, 60, 0, 5]

  private func model() throws -> DecoderModel {
    try DecoderModel(DecoderModelTests.configuration, weights: RandomWeights())
  }

  /// A model whose adapters do something.
  private func adapted(to targets: [String] = ["q_proj", "v_proj"]) throws -> DecoderModel {
    var generator = Philox(seed: 8)
    let model = try model()
    try model.addLowRankAdapters(rank: 2, alpha: 4, to: targets, using: &generator)
    for (_, layer) in model.lowRankAdapters {
      layer.up.value = .normal(layer.up.shape, deviation: 0.1, using: &generator)
    }
    return model
  }

  private func logits(_ model: DecoderModel) -> Tensor<Float> {
    model(tokens, cache: model.makeCache())
  }

  @Test func targetsAreNamesOfTheFamilyOrTheModule() throws {
    var generator = Philox(seed: 8)
    let paths = try model()
      .addLowRankAdapters(rank: 2, to: ["q_proj", "v_proj"], using: &generator)
    #expect(paths.count == 6 && paths[0] == "blocks.0.attention.query")
    let same = try model().addLowRankAdapters(
      rank: 2,
      to: ["self_attn.q_proj", "attention.value"],
      using: &generator
    )
    #expect(same == paths)
    let one = try model().addLowRankAdapters(
      rank: 2,
      to: ["model.layers.1.mlp.down_proj"],
      using: &generator
    )
    #expect(one == ["blocks.1.feedForward.down"])
    let adapted = try model()
    let before = logits(adapted)
    try adapted.addLowRankAdapters(rank: 2, to: ["q_proj"], using: &generator)
    #expect(logits(adapted) == before)
    #expect(adapted.parameterCount.trainable == 3 * 2 * (24 + 24))
    #expect(throws: LowRankAdapterError.alreadyAdapted(layer: "blocks.0.attention.query")) {
      try adapted.addLowRankAdapters(rank: 2, to: ["q_proj"], using: &generator)
    }
    #expect(
      throws: LowRankAdapterError.unknownTargets(
        ["c_attn"],
        known: ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
      )
    ) {
      try model().addLowRankAdapters(rank: 2, to: ["c_attn"], using: &generator)
    }
    #expect(throws: LowRankAdapterError.self) {
      try model().addLowRankAdapters(rank: 2, using: &generator) { _ in false }
    }
  }

  @Test func foldersComeBack() throws {
    try withTemporaryFolder { folder in
      let model = try adapted()
      let url = URL(filePath: folder + "/adapter")
      try LowRankAdapterFolder.write(model, baseModel: "base", to: url)
      let file = try SafetensorsFile(path: folder + "/adapter/adapter_model.safetensors")
      #expect(file.names.count == 12)
      let name = "base_model.model.model.layers.2.self_attn.v_proj.lora_"
      #expect(file[name + "A.weight"]?.extents == [2, 24])
      #expect(file[name + "B.weight"]?.extents == [12, 2])
      let config = try JSONValue.read(folder + "/adapter/adapter_config.json")
      #expect(config["peft_type"] == "LORA" && config["task_type"] == "CAUSAL_LM")
      #expect(config["r"] == 2 && config["lora_alpha"] == 4 && config["bias"] == "none")
      #expect(config["target_modules"] == ["q_proj", "v_proj"])
      #expect(config["fan_in_fan_out"] == false && config["base_model_name_or_path"] == "base")

      let again = try self.model()
      let paths = try LowRankAdapterFolder.load(url, into: again)
      #expect(paths == model.lowRankAdapters.map(\.path))
      #expect(logits(again) == logits(model))
      #expect(throws: LowRankAdapterError.alreadyAdapted(layer: paths[0])) {
        try LowRankAdapterFolder.load(url, into: again)
      }
    }
  }

  @Test func partsOfTheLayersAreNamedOneByOne() throws {
    try withTemporaryFolder { folder in
      let name = "model.layers.1.mlp.down_proj"
      let url = URL(filePath: folder + "/adapter")
      try LowRankAdapterFolder.write(try adapted(to: [name]), baseModel: "base", to: url)
      let config = try JSONValue.read(folder + "/adapter/adapter_config.json")
      #expect(config["target_modules"] == [.string(name)])
      #expect(try LowRankAdapterFolder.load(url, into: model()) == ["blocks.1.feedForward.down"])
    }
  }

  @Test(
    arguments: [
      ("peft_type", "IA3"), ("use_dora", true), ("fan_in_fan_out", true), ("bias", "all"),
      ("rank_pattern", ["q_proj": 4]), ("modules_to_save", ["lm_head"]), ("r", 0),
      ("init_lora_weights", "pissa_niter_4"),
    ] as [(String, JSONValue)]
  )
  func whatIsNotSupportedIsRefused(key: String, value: JSONValue) throws {
    try withTemporaryFolder { folder in
      let url = URL(filePath: folder + "/adapter")
      try LowRankAdapterFolder.write(try adapted(), baseModel: "base", to: url)
      let path = folder + "/adapter/adapter_config.json"
      var object = try #require(try JSONValue.read(path).objectValue)
      object[key] = value
      try Data(JSONValue.object(object).serialized().utf8).write(to: URL(filePath: path))
      let model = try model()
      let error = try #require(throws: LowRankAdapterError.self) {
        try LowRankAdapterFolder.load(url, into: model)
      }
      #expect(error.description.contains("'\(key)'"))
      #expect(model.lowRankAdapters.isEmpty)
    }
  }

  @Test func tensorsThatDoNotFitAreNamed() throws {
    try withTemporaryFolder { folder in
      let url = URL(filePath: folder + "/adapter")
      try LowRankAdapterFolder.write(try adapted(), baseModel: "base", to: url)
      var small = DecoderModelTests.configuration
      small.blockCount = 2
      let shallow = try DecoderModel(small, weights: RandomWeights())
      let error = try #require(throws: LowRankAdapterError.self) {
        try LowRankAdapterFolder.load(url, into: shallow)
      }
      #expect(error.description.contains("layers.2"))
      small.headWidth = 8
      small.blockCount = 3
      let wide = try DecoderModel(small, weights: RandomWeights())
      #expect(throws: CheckpointError.self) { try LowRankAdapterFolder.load(url, into: wide) }
    }
  }

  @Test func ranksMustBeOneAndFamiliesPlain() throws {
    try withTemporaryFolder { folder in
      let mixed = try adapted()
      var generator = Philox(seed: 0)
      let block = mixed.body.blocks[0].attention
      block.key = LowRankLinear(block.key, rank: 3, using: &generator)
      let url = URL(filePath: folder + "/adapter")
      #expect(throws: LowRankAdapterError.self) {
        try LowRankAdapterFolder.write(mixed, baseModel: "base", to: url)
      }
      #expect(throws: LowRankAdapterError.self) {
        try LowRankAdapterFolder.write(try model(), baseModel: "base", to: url)
      }
      var shape = DecoderModelTests.configuration
      shape.family = .gpt2
      let gpt2 = try DecoderModel(shape, weights: RandomWeights())
      try gpt2.addLowRankAdapters(rank: 2, to: ["q_proj"], using: &generator)
      let error = try #require(throws: LowRankAdapterError.self) {
        try LowRankAdapterFolder.write(gpt2, baseModel: "base", to: url)
      }
      #expect(error.description.contains("gpt2"))
      #expect(!FileManager.default.fileExists(atPath: folder + "/adapter"))
    }
  }

  @Test func mergedAndSavedModelsComputeTheSame() throws {
    try withTemporaryFolder { folder in
      let model = try adapted(to: ["q_proj", "down_proj"])
      let expected = logits(model)
      try model.save(to: URL(filePath: folder + "/model"))
      let loaded = try PretrainedModel(at: URL(filePath: folder + "/model")).makeModel()
      expectClose(logits(loaded), expected, relative: 1e-4, absolute: 1e-4)
      model.mergeLowRankAdapters()
      #expect(model.lowRankAdapters.isEmpty)
      expectClose(logits(model), expected, relative: 1e-4, absolute: 1e-4)
    }
  }
}
