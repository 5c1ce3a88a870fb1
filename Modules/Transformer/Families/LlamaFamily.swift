import Checkpoints

/// LLaMA 1 to 3, SmolLM2, TinyLlama: Pre-LN, RMSNorm, rotary positions, SwiGLU.
enum LlamaFamily: FamilyFormat {
  static let family = ModelFamily.llama
  static let architecture = "LlamaForCausalLM"
  static let names = TensorNames.llamaLike()
  static let gguf: GGUFFormat? = GGUFFormat(
    architecture: "llama",
    names: .gguf(),
    hasAdjacentPairs: true
  )

  static func configuration(
    _ reader: ConfigurationReader
  ) throws(ModelError) -> TransformerConfiguration {
    var shape = try LlamaLike.configuration(reader, family)
    shape.hasAttentionBias = try reader.flag("attention_bias", default: false)
    shape.hasAttentionOutputBias = shape.hasAttentionBias
    shape.hasFeedForwardBias = try reader.flag("mlp_bias", default: false)
    return shape
  }

  static func document(_ shape: TransformerConfiguration) -> JSONObject {
    var document = LlamaLike.document(shape)
    document["attention_bias"] = .bool(shape.hasAttentionBias)
    document["mlp_bias"] = .bool(shape.hasFeedForwardBias)
    return document
  }
}
