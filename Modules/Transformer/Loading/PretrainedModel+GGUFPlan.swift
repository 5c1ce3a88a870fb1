import Autograd
public import Checkpoints
import Tensor

extension PretrainedModel {
  /// The model as a GGUF file: names, rows and norms as llama.cpp has them, and the tokenizer.
  ///
  /// It is the inverse of what reading such a file does. Whatever the format cannot say about a
  /// model (a window on an architecture without one, an unusual activation) is found by reading the
  /// plan back.
  ///
  /// - Throws: `ModelError.unsupportedFamily` for families without a GGUF architecture,
  ///   `ModelError.invalidConfiguration` for what its keys cannot say, `TokenizerError`.
  public func ggufPlan() throws -> GGUFPlan {
    guard configuration.isCausal, let format = configuration.writtenGGUF else {
      throw ModelError.unsupportedFamily(
        family.rawValue,
        path: path + " (as GGUF)",
        supported: ModelFamily.allCases.filter { $0 != .opt && $0 != .bert }.map(\.rawValue)
      )
    }
    let layout = GGUFModelLayout(configuration, format)
    let plan = GGUFPlan(
      metadata: layout.metadata(path: path) + (try tokenizerFields()),
      items: layout.items
    )
    try layout.checkReadBack(path: path)
    return plan
  }

  /// The keys under `tokenizer.`: those of the file that the model came from, or what
  /// tokenizer.json says.
  private func tokenizerFields() throws -> [(key: String, value: GGUFField)] {
    if let fileMetadata {
      return fileMetadata.filter { $0.key.hasPrefix("tokenizer.") }.map {
        ($0.key, GGUFField($0.value))
      }
    }
    guard let tokenizer, let data = try documents["tokenizer.json"] else {
      return [("tokenizer.ggml.model", .string("none"))]
    }
    let limits = JSONLimits(byteCount: TokenizerLimits.fileBytes)
    let document: JSONValue
    do { document = try JSONValue.parse(data, limits: limits) } catch {
      throw TokenizerError.invalidJSON(reason: error.description)
    }
    let metadata = try TokenizerMetadata(
      document: document,
      tokenizer: tokenizer,
      rowCount: configuration.vocabularyCount
    )
    var fields = metadata.fields
    // Readers find the usual ends of chat turns by themselves; this is one that they might not know.
    if let end = stopTokens.subtracting([metadata.eosID].compactMap { $0 }).min() {
      fields.append(("tokenizer.ggml.eot_token_id", .uint32(UInt32(end))))
    }
    if let text = chatTemplateText { fields.append(("tokenizer.chat_template", .string(text))) }
    return fields
  }
}

extension TransformerConfiguration {
  /// How the model is written as GGUF; nil where llama.cpp has no architecture for it.
  fileprivate var writtenGGUF: GGUFFormat? {
    switch family {
    // Mistral without windows is LLaMA in all but the name, and so are own models with Pre-LN.
    case .mistral: LlamaFamily.gguf
    case .apus: placement == .pre ? LlamaFamily.gguf : family.format.gguf
    case .llama, .qwen2, .qwen3, .gemma2, .gemma3, .olmo2, .gpt2: family.format.gguf
    case .opt, .bert: nil
    }
  }
}

/// Where the tensors of a model lie in a GGUF file, and what its keys say.
struct GGUFModelLayout {
  private let shape: TransformerConfiguration
  private let format: GGUFFormat
  /// The tensors in the order of the file.
  let items: [GGUFPlan.Item]

  init(_ shape: TransformerConfiguration, _ format: GGUFFormat) {
    self.shape = shape
    self.format = format
    items = Self.items(shape, format)
  }

  private static func items(
    _ shape: TransformerConfiguration,
    _ format: GGUFFormat
  ) -> [GGUFPlan.Item] {
    var items: [GGUFPlan.Item] = []
    for tensor in shape.tensors {
      let source = FamilyCatalog.ggufSource(tensor.path, shape, format)
      if source.isLaterPart, let last = items.indices.last(where: { items[$0].name == source.name })
      {
        items[last].parts.append(.init(name: tensor.name, shape: tensor.shape))
        let rows = items[last].shape[0] + tensor.shape[0]
        items[last].shape = Shape([rows] + tensor.shape.extents.dropFirst())
        continue
      }
      let isEmbedding = tensor.path == "embedding.weight" || tensor.path == "head.weight"
      let isLinear = tensor.shape.rank == 2 && tensor.path.hasPrefix("blocks.")
      items.append(
        GGUFPlan.Item(
          name: source.name,
          shape: tensor.shape,
          role: isEmbedding ? .embedding : isLinear ? .linear : .other,
          parts: [.init(name: tensor.name, shape: tensor.shape)],
          rowOrder: source.pairWidth.map { adjacentPairs(rows: tensor.shape[0], headWidth: $0) },
          offset: source.storesOnePlus ? 1 : 0
        )
      )
    }
    if let divisors = rotaryDivisors(shape) {
      items.append(
        GGUFPlan.Item(
          name: "rope_freqs.weight",
          shape: [divisors.count],
          role: .other,
          parts: [],
          values: divisors
        )
      )
    }
    return items
  }

  /// Row i + s·d/2 of a head becomes row 2i + s.
  private static func adjacentPairs(rows: Int, headWidth width: Int) -> [Int32] {
    (0..<rows).map { row in
      let (head, place) = (row / width, row % width)
      return Int32(head * width + place % 2 * (width / 2) + place / 2)
    }
  }

  /// The divisor of each rotary frequency, where it is stretched by more than one factor.
  private static func rotaryDivisors(_ shape: TransformerConfiguration) -> [Float]? {
    switch shape.rotaryScaling {
    case .none, .linear: return nil
    case .divisors(let divisors): return divisors
    case .llama3:
      let (base, width) = (shape.rotaryBase, shape.headWidth)
      let plain = RotaryEmbedding(headWidth: width, base: base)
      let scaled = RotaryEmbedding(headWidth: width, base: base, scaling: shape.rotaryScaling)
      return zip(plain.frequencies, scaled.frequencies).map { $0 / $1 }
    }
  }
}

// MARK: - Keys

extension GGUFModelLayout {
  /// The keys of a model, without those of its tokenizer.
  func metadata(path: String) -> [(key: String, value: GGUFField)] {
    let name = path.split(separator: "/").last.map(String.init) ?? "model"
    return [
      ("general.architecture", .string(format.architecture)), ("general.type", .string("model")),
      ("general.name", .string(name)), ("general.quantization_version", .uint32(2)),
    ] + settings.map { (format.architecture + "." + $0.key, $0.field) }
  }

  /// The keys below the architecture's name, each with what a reader of configurations sees.
  private var settings: [(key: String, field: GGUFField, value: JSONValue)] {
    var settings: [(key: String, field: GGUFField, value: JSONValue)] = []
    func integer(_ key: String, _ value: Int) {
      settings.append((key, .uint32(UInt32(clamping: value)), .integer(Int64(value))))
    }
    func number(_ key: String, _ value: Float?) {
      if let value { settings.append((key, .float32(value), .number(Double(value)))) }
    }
    func text(_ key: String, _ value: String) {
      settings.append((key, .string(value), .string(value)))
    }
    integer("vocab_size", shape.vocabularyCount)
    integer("context_length", shape.contextLength)
    integer("embedding_length", shape.hiddenWidth)
    integer("block_count", shape.blockCount)
    integer("feed_forward_length", shape.feedForwardWidth)
    integer("attention.head_count", shape.headCount)
    integer("attention.head_count_kv", shape.keyHeadCount)
    integer("attention.key_length", shape.headWidth)
    integer("attention.value_length", shape.headWidth)
    let isLayerNorm = shape.norm == .layer
    number("attention.layer_norm\(isLayerNorm ? "" : "_rms")_epsilon", shape.normEpsilon)
    if shape.positions == .rotary {
      integer("rope.dimension_count", shape.headWidth)
      number("rope.freq_base", shape.rotaryBase)
      number("rope.freq_base_swa", shape.windowRotaryBase)
      if case .linear(let factor) = shape.rotaryScaling {
        text("rope.scaling.type", "linear")
        number("rope.scaling.factor", factor)
      }
    }
    if let window = shape.windows.compactMap({ $0 }).first {
      integer("attention.sliding_window", window)
      if shape.family == .gemma3, let full = shape.windows.firstIndex(of: nil) {
        integer("attention.sliding_window_pattern", full + 1)
      }
    }
    number("attn_logit_softcapping", shape.attentionSoftCap)
    number("final_logit_softcapping", shape.logitSoftCap)
    return settings
  }

  /// Refuses a model of which a reader would get another picture.
  func checkReadBack(path: String) throws {
    let prefix = format.architecture + "."
    let values = Dictionary(uniqueKeysWithValues: settings.map { (prefix + $0.key, $0.value) })
    let reader = ConfigurationReader(path: path) { values[$0] }
    let reading = ModelFamily.allCases.first { $0.format.gguf?.architecture == format.architecture }
    let family = reading ?? shape.family
    let found = try format.configuration(PlannedTensors(path: path, items: items), family, reader)
    let (left, right) = (comparable(shape), comparable(found))
    for key in left.keys + right.keys where left[key] != right[key] {
      throw ModelError.invalidConfiguration(
        path: path,
        key: key,
        reason: "is \(left[key]?.serialized() ?? "absent"); a GGUF file of the architecture "
          + "'\(format.architecture)' cannot say that, its readers take "
          + "\(right[key]?.serialized() ?? "none"); use another format"
      )
    }
  }

  /// What a model computes, by property; the tensors of a plan say the rest.
  private func comparable(_ shape: TransformerConfiguration) -> JSONObject {
    var shape = shape
    shape.family = .apus
    shape.rotaryScaling = .none
    if shape.positions != .rotary { shape.rotaryBase = 0 }
    if !shape.windows.contains(where: { $0 != nil }) {
      (shape.windows, shape.windowRotaryBase) = ([], nil)
    }
    let usual = 1 / Float(shape.headWidth).squareRoot()
    if let scale = shape.attentionScale, abs(scale - usual) <= 1e-6 * usual {
      shape.attentionScale = nil
    }
    return ApusFamily.document(shape)["apus"]?.objectValue ?? [:]
  }
}

/// The tensors of a plan, for the reader of a configuration: their shapes, and the rotary divisors.
private struct PlannedTensors: TensorCatalog {
  let path: String
  let items: [GGUFPlan.Item]

  var tensorNames: [String] { items.map(\.name) }

  private func item(_ name: String) -> GGUFPlan.Item? { items.first { $0.name == name } }

  func describe(_ name: String) -> TensorDescription? {
    item(name).map { TensorDescription(shape: $0.shape, storage: "planned", byteCount: 0) }
  }

  func floats(_ name: String) throws(CheckpointError) -> Tensor<Float> {
    guard let item = item(name), let values = item.values else { throw missing(name) }
    return Tensor(values, shape: item.shape)
  }

  func tensor<Element: TensorElement>(
    _ name: String,
    as type: Element.Type
  ) throws(CheckpointError) -> Tensor<Element> { throw missing(name) }

  func weightMatrix(_ name: String) throws(CheckpointError) -> WeightMatrix { throw missing(name) }

  private func missing(_ name: String) -> CheckpointError {
    .missingTensor(path: path, name: name, near: [])
  }
}
