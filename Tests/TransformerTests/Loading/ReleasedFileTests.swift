import Autograd
import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing
import Transformer

/// Folders and vocabularies with the peculiarities of released files.
@Suite struct ReleasedFileTests {
  /// Writes a model folder from a configuration, tensors and a tokenizer, and opens it.
  func open(
    _ configuration: JSONObject,
    tensors: [SafetensorsItem] = [SafetensorsItem("none", Tensor<Float>.zeros([1]))],
    tokenizer: JSONValue? = nil,
    generation: JSONObject? = nil,
    _ body: (PretrainedModel) throws -> Void
  ) throws {
    try withTemporaryFolder { folder in
      func write(_ value: JSONValue, _ name: String) throws {
        try Data(value.serialized().utf8).write(to: URL(filePath: folder + "/" + name))
      }
      try write(.object(configuration), "config.json")
      if let tokenizer { try write(tokenizer, "tokenizer.json") }
      if let generation { try write(.object(generation), "generation_config.json") }
      try SafetensorsFile.write(tensors, to: folder + "/model.safetensors")
      try body(PretrainedModel(at: URL(filePath: folder)))
    }
  }

  let llama: JSONObject = [
    "model_type": "llama", "vocab_size": 256, "hidden_size": 16, "intermediate_size": 24,
    "num_hidden_layers": 1, "num_attention_heads": 2, "tie_word_embeddings": true,
  ]

  /// Gemma 3's `<image_soft_token>` is the first id behind the embedding.
  @Test func addedTokensWithoutARowBecomePlainText() throws {
    let tokens = [
      TinyTokenizers.added(255, "<end>"), TinyTokenizers.added(256, "<image_soft_token>"),
    ]
    try open(llama, tokenizer: TinyTokenizers.byteLevel(added: tokens)) { model in
      let tokenizer = try model.requireTokenizer()
      #expect(tokenizer.vocabularyCount == 256)
      #expect(tokenizer.encode("<end>") == [255])
      let ids = tokenizer.encode("a<image_soft_token>")
      #expect(ids.count == 19 && ids.allSatisfy { $0 < 255 })
      #expect(tokenizer.id(of: "<image_soft_token>") == nil)
    }
  }

  /// What a text can become must have a row: ordinary tokens, those of the template, pieces of a Unigram
  /// model, the unknown token.
  @Test func tokensWithoutARowThatTextsLeadToAreRefused() throws {
    func expectMismatch(_ tokenizer: JSONValue, rows: Int64, tokens: Int) {
      var configuration = llama
      configuration["vocab_size"] = .integer(rows)
      let error = #expect(throws: ModelError.self) {
        try open(configuration, tokenizer: tokenizer) { _ in }
      }
      let text = error.map { "\($0)" } ?? ""
      #expect(text.contains("it has \(tokens) tokens, the embedding only \(rows) rows"), "\(text)")
    }
    expectMismatch(TinyTokenizers.byteLevel(merges: [("a", "b")]), rows: 256, tokens: 257)

    var framed = TinyTokenizers.byteLevel(added: [TinyTokenizers.added(256, "<s>")]).objectValue
    framed?["post_processor"] = [
      "type": "TemplateProcessing", "pair": [],
      "single": [
        ["SpecialToken": ["id": "<s>", "type_id": 0]], ["Sequence": ["id": "A", "type_id": 0]],
      ],
      "special_tokens": ["<s>": ["id": "<s>", "ids": [256], "tokens": ["<s>"]]],
    ]
    expectMismatch(.object(try #require(framed)), rows: 256, tokens: 257)

    func unigram(_ pieces: [String], unknown: Int64) -> JSONValue {
      let last = Int64(pieces.count - 1)
      return [
        "version": "1.0", "added_tokens": [TinyTokenizers.added(last, pieces[pieces.count - 1])],
        "normalizer": nil, "pre_tokenizer": nil, "post_processor": nil, "decoder": nil,
        "model": [
          "type": "Unigram", "unk_id": .integer(unknown),
          "vocab": .array(pieces.map { [.string($0), -1.0] }),
        ],
      ]
    }
    expectMismatch(unigram(["<unk>", "a", "b", "<x>"], unknown: 0), rows: 3, tokens: 4)
    expectMismatch(unigram(["a", "b", "<unk>"], unknown: 2), rows: 2, tokens: 3)
  }

  @Test func emptySettingsOfGenerationAreNone() throws {
    let generation: JSONObject = [
      "do_sample": true, "temperature": 0.6, "top_k": 0, "top_p": 0.9, "min_p": 0.0,
      "repetition_penalty": 1.1, "eos_token_id": [2, -1],
    ]
    try open(llama, generation: generation) { model in
      let wanted = SamplingOptions(temperature: 0.6, topP: 0.9, repetitionPenalty: 1.1)
      #expect(model.sampling == wanted)
      #expect(model.stopTokens == [2])
    }
    let greedy: JSONObject = ["repetition_penalty": 1.3, "temperature": 0.6]
    try open(llama, generation: greedy) { model in
      #expect(model.sampling == SamplingOptions(repetitionPenalty: 1.3))
    }
  }

  /// The text part of google/gemma-3-4b-it names five sizes.
  @Test func whatGemmaLeavesOutIsTheDefaultOfTheFamily() throws {
    let text: JSONValue = [
      "hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text",
      "num_hidden_layers": 34, "rope_scaling": ["factor": 8.0, "rope_type": "linear"],
      "sliding_window": 1024,
    ]
    try open(["model_type": "gemma3", "text_config": text]) { model in
      let shape = model.configuration
      #expect(shape.vocabularyCount == 262_208 && shape.contextLength == 131_072)
      #expect(shape.headCount == 8 && shape.keyHeadCount == 4 && shape.headWidth == 256)
      #expect(shape.windows[0] == 1024 && shape.windows[5] == nil)
      #expect(shape.rotaryScaling == .linear(factor: 8) && shape.rotaryBase == 1_000_000)
      #expect(shape.tiesEmbedding && shape.normEpsilon == 1e-6)
    }
  }

  @Test(
    arguments: [
      ("use_bidirectional_attention", true),
      (
        "rope_parameters",
        [
          "full_attention": ["rope_type": "default"],
          "sliding_attention": ["rope_type": "linear", "factor": 2.0],
        ]
      ),
    ] as [(String, JSONValue)]
  )
  func gemmaThatThinksOtherwiseIsRefused(key: String, value: JSONValue) throws {
    var document: JSONObject = [
      "model_type": "gemma3_text", "hidden_size": 32, "intermediate_size": 32,
      "num_hidden_layers": 2,
    ]
    document[key] = value
    let error = #expect(throws: ModelError.self) { try open(document) { _ in } }
    #expect(error?.description.contains(key) == true)
  }

  /// Block i then divides its scores by i + 1, as if its queries were smaller by as much.
  @Test(arguments: TransformerConformance.decoders.filter { $0.hasPrefix("gpt2/") })
  func gpt2MayDivideScoresByDepth(path: String) throws {
    let conformance = TransformerConformance()
    let changes: JSONObject = ["scale_attn_by_inverse_layer_idx": true]
    try conformance.withModel(path, changing: changes) { pretrained, expected in
      let ids = try expected.tensor(named: "input_ids", as: Int32.self)
      let divided = try pretrained.makeModel().logits(of: ids)
      try conformance.withModel(path) { plain, _ in
        let model = try plain.makeModel(isTrainable: true)
        let undivided = model.logits(of: ids)
        for (name, parameter) in model.namedParameters().map({ ($0.name, $0.parameter) }) {
          let parts = name.split(separator: ".")
          if parts.starts(with: ["blocks"]), parts.contains("query"), let depth = Float(parts[1]) {
            parameter.value = parameter.value / (depth + 1)
          }
        }
        expectClose(divided, model.logits(of: ids), relative: 1e-5, absolute: 5e-5)
        #expect(divided != undivided)
      }
      try withTemporaryFolder { folder in
        try pretrained.save(to: URL(filePath: folder + "/saved"))
        let again = try PretrainedModel(at: URL(filePath: folder + "/saved"))
        #expect(again.configuration.dividesAttentionByDepth)
      }
      #expect(throws: ModelError.self) { try pretrained.ggufPlan() }
    }
  }

  @Test func gpt2MayNameItsSizesAsOthersDo() throws {
    let document: JSONObject = [
      "model_type": "gpt2", "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 3,
      "num_attention_heads": 4, "max_position_embeddings": 77,
    ]
    try open(document) { model in
      let shape = model.configuration
      #expect(shape.hiddenWidth == 16 && shape.blockCount == 3 && shape.headCount == 4)
      #expect(shape.contextLength == 77)
    }
  }

  /// Base models are saved without the prefix of the language model around them.
  @Test(arguments: ["llama-tied", "qwen3"])
  func basesWithoutPrefixLoad(name: String) throws {
    let path = Fixtures.checkout + "/Tests/Fixtures/transformer/models/" + name
    let document = try #require(try JSONValue.read(path + "/config.json").objectValue)
    let file = try SafetensorsFile(path: path + "/model.safetensors")
    let tensors = try file.names.map { name in
      let plain = name.hasPrefix("model.") ? String(name.dropFirst(6)) : name
      return SafetensorsItem(plain, try file.tensor(named: name))
    }
    let expected = try SafetensorsFile(path: path + "/expected.safetensors")
    let ids = try expected.tensor(named: "input_ids", as: Int32.self)[0].elements
    let wanted = try expected.tensor(named: "logits")[0]
    try open(document, tensors: tensors) { pretrained in
      let model = try pretrained.makeModel()
      let found = model(ids, cache: model.makeCache())
      expectClose(found.elements, wanted.elements, relative: 1e-5, absolute: 5e-5)
    }
  }
}
