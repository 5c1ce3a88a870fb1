import Checkpoints

/// Qwen 2 and 2.5: LLaMA with biases on queries, keys and values.
enum Qwen2Family: FamilyFormat {
  static let family = ModelFamily.qwen2
  static let architecture = "Qwen2ForCausalLM"
  static let names = TensorNames.llamaLike()
  static let gguf: GGUFFormat? = GGUFFormat(architecture: "qwen2", names: .gguf())

  static func configuration(
    _ reader: ConfigurationReader
  ) throws(ModelError) -> TransformerConfiguration {
    var shape = try LlamaLike.configuration(reader, family)
    shape.hasAttentionBias = true
    shape.windows = try QwenWindows.read(reader, shape)
    return shape
  }

  static func document(_ shape: TransformerConfiguration) -> JSONObject {
    QwenWindows.document(shape)
  }
}

/// Qwen 3: LLaMA with a norm on each head of queries and keys.
enum Qwen3Family: FamilyFormat {
  static let family = ModelFamily.qwen3
  static let architecture = "Qwen3ForCausalLM"
  static let names = TensorNames.llamaLike()
  static let gguf: GGUFFormat? = GGUFFormat(architecture: "qwen3", names: .gguf())

  static func configuration(
    _ reader: ConfigurationReader
  ) throws(ModelError) -> TransformerConfiguration {
    var shape = try LlamaLike.configuration(reader, family, headWidth: 128)
    shape.queryKeyNorm = .perHead
    shape.hasAttentionBias = try reader.flag("attention_bias", default: false)
    shape.hasAttentionOutputBias = shape.hasAttentionBias
    shape.windows = try QwenWindows.read(reader, shape)
    return shape
  }

  static func adapt(
    _ shape: inout TransformerConfiguration,
    _ reader: ConfigurationReader
  ) {
    shape.queryKeyNorm = .perHead
  }

  static func document(_ shape: TransformerConfiguration) -> JSONObject {
    var document = QwenWindows.document(shape)
    document["attention_bias"] = .bool(shape.hasAttentionBias)
    return document
  }
}

/// The windows of Qwen, which released models do not use.
private enum QwenWindows {
  static func read(
    _ reader: ConfigurationReader,
    _ shape: TransformerConfiguration
  ) throws(ModelError) -> [Int?] {
    guard try reader.flag("use_sliding_window", default: false) else { return [] }
    let first = try reader.integer("max_window_layers", in: 0...1_000_000, default: 28)
    return try LlamaLike.windows(reader, shape) { $0 >= first }
  }

  static func document(_ shape: TransformerConfiguration) -> JSONObject {
    var document = LlamaLike.document(shape)
    document["use_sliding_window"] = .bool(!shape.windows.isEmpty)
    for (key, value) in LlamaLike.windowDocument(shape) { document[key] = value }
    document["max_window_layers"] = .integer(
      Int64(shape.windows.firstIndex { $0 != nil } ?? shape.blockCount)
    )
    return document
  }
}
