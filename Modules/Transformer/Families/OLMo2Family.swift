import Checkpoints

/// OLMo 2: norms of outputs alone, and of whole queries and keys.
enum OLMo2Family: FamilyFormat {
  static let family = ModelFamily.olmo2
  static let architecture = "Olmo2ForCausalLM"
  static let names = TensorNames.llamaLike(TensorNames.outputNorms)
  static let gguf: GGUFFormat? = GGUFFormat(architecture: "olmo2", names: .gguf())

  static func configuration(
    _ reader: ConfigurationReader
  ) throws(ModelError) -> TransformerConfiguration {
    var shape = try LlamaLike.configuration(reader, family)
    shape.normEpsilon = try reader.positive("rms_norm_eps", default: 1e-5)
    shape.hasAttentionBias = try reader.flag("attention_bias", default: false)
    shape.hasAttentionOutputBias = shape.hasAttentionBias
    adapt(&shape, reader)
    return shape
  }

  static func adapt(
    _ shape: inout TransformerConfiguration,
    _ reader: ConfigurationReader
  ) {
    shape.placement = .output
    shape.queryKeyNorm = .wholeProjection
  }

  static func document(_ shape: TransformerConfiguration) -> JSONObject {
    var document = LlamaLike.document(shape)
    document["attention_bias"] = .bool(shape.hasAttentionBias)
    return document
  }
}
