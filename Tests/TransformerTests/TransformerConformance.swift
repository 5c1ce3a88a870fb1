import Autograd
import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing
import Transformer

/// Runs every model under `transformer/models` and `transformer/gguf`.
@Suite struct TransformerConformance {
  static let modelFolder = "transformer/models"

  /// The models, each with the configuration files that it has, by the kind of their expectations.
  static let (decoders, encoders) = {
    let files = Fixtures.names(in: modelFolder).flatMap { name -> [(String, Bool)] in
      let folder = Fixtures.folder(modelFolder + "/" + name)
      return ["config.json", "config.v5.json"].compactMap { file in
        let family = try? JSONValue.read(folder + "/" + file)["model_type"]?.stringValue
        return family.map { (name + "/" + file, $0 == "bert") }
      }
    }
    return (files.filter { !$0.1 }.map(\.0), files.filter(\.1).map(\.0))
  }()

  static let ggufModels = Fixtures.names(in: "transformer/gguf", suffix: ".gguf")

  @Test func fixturesAreThere() {
    #expect(!Self.decoders.isEmpty && !Self.encoders.isEmpty)
    #expect(!Self.ggufModels.isEmpty)
  }

  /// Opens a model folder with the named configuration file, some of its keys changed, in the place of
  /// config.json.
  func withModel(
    _ path: String,
    changing changes: JSONObject = [:],
    _ body: (PretrainedModel, SafetensorsFile) throws -> Void
  ) throws {
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
      var configuration = try #require(JSONValue.read(folder + "/" + parts[1]).objectValue)
      for (key, value) in changes { configuration[key] = value }
      try Data(JSONValue.object(configuration).serialized().utf8)
        .write(to: URL(filePath: temporary + "/config.json"))
      try body(PretrainedModel(at: URL(filePath: temporary)), expected)
    }
  }

  @Test(arguments: decoders) func logitsAndHiddenStates(path: String) throws {
    try withModel(path) { pretrained, expected in
      let model = try pretrained.makeModel()
      let ids = try expected.tensor(named: "input_ids", as: Int32.self)  // [B × T]
      let logits = try expected.tensor(named: "logits")  // [B × T × V]
      let hidden = try expected.tensor(named: "hidden_states")  // [L × B × T × D]
      let final = try expected.tensor(named: "final_hidden")  // [B × T × D]
      for row in 0..<ids.shape[0] {
        var depths: [Tensor<Float>] = []
        let states = model.hiddenStates(ids[row].elements, cache: model.makeCache()) {
          if case .stream = $0 { depths.append($1.value) }
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
          model.logits(states).elements,
          logits[row].elements,
          relative: 1e-5,
          absolute: 5e-5
        )
      }
    }
  }

  @Test(arguments: decoders) func loss(path: String) throws {
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

  @Test(arguments: decoders) func greedyContinuation(path: String) throws {
    try withModel(path) { pretrained, expected in
      let model = try pretrained.makeModel()
      let prompt = try expected.tensor(named: "greedy_prompt", as: Int32.self).elements
      let output = try expected.tensor(named: "greedy_output", as: Int32.self).elements
      let options = GenerationOptions(maximumTokens: output.count - prompt.count)
      #expect(prompt + Array(model.generate(after: prompt, options: options)) == output)
    }
  }

  @Test(arguments: decoders) func paddedRows(path: String) throws {
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

  /// Complete sequences in one batch, as training runs them, with the gradients of the loss.
  @Test(arguments: decoders) func lossAndGradients(path: String) throws {
    try withModel(path) { pretrained, expected in
      let model = try pretrained.makeModel(isTrainable: true)
      let ids = try expected.tensor(named: "input_ids", as: Int32.self)
      let labels = try expected.tensor(named: "labels", as: Int32.self)
      let (batch, length) = (ids.shape[0], ids.shape[1])
      // The label of a position is its own token: the target of the position before it.
      let targets = (0..<batch).flatMap { row -> [Int32] in
        labels[row].elements.dropFirst() + [-100]
      }
      let states = model.states(ids)
      let logits = model.logits(states).value
      expectClose(
        logits.elements,
        try expected.tensor(named: "logits").elements,
        relative: 1e-5,
        absolute: 5e-5
      )
      let loss = model.loss(ids, targets: Tensor(targets, shape: [batch, length]))
      #expect(abs(loss.value.item - (try expected.tensor(named: "loss").item)) < 1e-5)
      loss.backward()
      try compareGradients(of: model, pretrained.configuration, expected)
    }
  }

  private func compareGradients(
    of model: DecoderModel,
    _ configuration: TransformerConfiguration,
    _ expected: SafetensorsFile
  ) throws {
    let names = Dictionary(
      uniqueKeysWithValues: configuration.tensors.map { ($0.path, $0.name) }
    )
    var gradients: [String: Tensor<Float>] = [:]
    for entry in model.namedParameters() {
      let path = ([entry.name] + entry.aliases).first { names[$0] != nil }
      let name = try #require(path.flatMap { names[$0] }, "\(entry.name) has no name")
      gradients[name] = entry.parameter.gradient
    }
    for name in expected.names where name.hasPrefix("grad.") {
      let wanted = try expected.tensor(named: name)
      let found = try #require(
        stored(String(name.dropFirst("grad.".count)), in: gradients, like: wanted.shape),
        "no gradient of \(name)"
      )
      expectClose(found.elements, wanted.elements, relative: 1e-4, absolute: 1e-5)
    }
    guard let norms = try? expected.tensor(named: "grad_norms").elements,
      let list = expected.metadata["case"].flatMap({ try? JSONValue.parse($0) })?
        .objectValue?["grad_norm_names"]?.arrayValue?.compactMap(\.stringValue)
    else { return }
    #expect(list.count == norms.count)
    for (name, wanted) in zip(list, norms) {
      let gradient = try #require(gradients[name], "no gradient of \(name)")
      let norm = (gradient * gradient).sum().squareRoot()
      #expect(abs(norm - wanted) <= 1e-5 + 1e-4 * wanted, "\(name): \(norm) · \(wanted)")
    }
  }

  /// A gradient as the file stores the parameter: GPT-2's matrices lie transposed side by side.
  private func stored(
    _ name: String,
    in gradients: [String: Tensor<Float>],
    like shape: Shape
  ) -> Tensor<Float>? {
    for prefix in ["", "transformer."] {
      if let found = gradients[prefix + name] { return found }
      for (stored, parts) in [
        ("attn.c_attn", ["attn.q_proj", "attn.k_proj", "attn.v_proj"]),
        ("attn.c_proj", ["attn.o_proj"]), ("mlp.c_fc", ["mlp.up_proj"]),
        ("mlp.c_proj", ["mlp.down_proj"]),
      ] where name.contains("." + stored + ".") {
        let found = parts.compactMap { gradients[prefix + name.replacing(stored, with: $0)] }
        guard found.count == parts.count else { continue }
        let joined = Tensor.concatenating(found)
        return joined.rank == 2 ? joined.transposed() : joined
      }
    }
    return nil
  }

  @Test(arguments: encoders) func encoderStates(path: String) throws {
    try withModel(path) { pretrained, expected in
      let model = try pretrained.makeEncoder()
      let ids = try expected.tensor(named: "input_ids", as: Int32.self)
      let mask = try expected.tensor(named: "attention_mask", as: Int32.self)
      let types = try expected.tensor(named: "token_type_ids", as: Int32.self)
      var depths: [Tensor<Float>] = []
      let states = model(ids, mask: mask, tokenTypes: types) { site, value in
        if case .stream = site { depths.append(value.value) }
      }
      let hidden = try expected.tensor(named: "hidden_states")
      for depth in 0..<hidden.shape[0] {
        close(depths[depth], hidden[depth])
      }
      close(states.value, try expected.tensor(named: "last_hidden_state"))
      close(try #require(model.pooled(states)).value, try expected.tensor(named: "pooler_output"))
      close(
        EncoderModel.sentenceEmbeddings(states.value, mask: mask),
        try expected.tensor(named: "sentence_embedding")
      )
    }
  }

  private func close(_ found: Tensor<Float>, _ wanted: Tensor<Float>) {
    expectClose(found.elements, wanted.elements, relative: 1e-5, absolute: 5e-5)
  }

  @Test(arguments: ggufModels) func ggufLogits(name: String) throws {
    let folder = Fixtures.folder("transformer/gguf")
    let pretrained = try PretrainedModel(at: URL(filePath: folder + "/" + name))
    let expected = try SafetensorsFile(
      path: folder + "/" + name.replacing(".gguf", with: ".expected.safetensors")
    )
    let ids = try expected.tensor(named: "input_ids", as: Int32.self)
    guard pretrained.configuration.isCausal else {
      let states = try pretrained.makeEncoder()(ids).value
      return close(states, try expected.tensor(named: "last_hidden_state"))
    }
    let model = try pretrained.makeModel()
    let logits = try expected.tensor(named: "logits")
    for row in 0..<ids.shape[0] {
      close(model(ids[row].elements, cache: model.makeCache()), logits[row])
    }
  }
}

extension DecoderModel {
  /// The logits of a batch of sequences, without gradients; ids [B × T], result [B × T × V].
  func logits(of ids: Tensor<Int32>) -> Tensor<Float> {
    .stacking((0..<ids.shape[0]).map { self(ids[$0].elements, cache: makeCache()) })
  }
}
