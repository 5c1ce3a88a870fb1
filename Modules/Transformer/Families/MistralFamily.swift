import Checkpoints

/// Mistral: LLaMA with a window on every layer, in some releases.
enum MistralFamily: FamilyFormat {
  static let family = ModelFamily.mistral
  static let architecture = "MistralForCausalLM"
  static let names = TensorNames.llamaLike()

  static func configuration(
    _ reader: ConfigurationReader
  ) throws(ModelError) -> TransformerConfiguration {
    var shape = try LlamaLike.configuration(reader, family)
    shape.windows = try LlamaLike.windows(reader, shape) { _ in true }
    return shape
  }

  static func document(_ shape: TransformerConfiguration) -> JSONObject {
    var document = LlamaLike.document(shape)
    document["sliding_window"] = LlamaLike.windowDocument(shape)["sliding_window"] ?? .null
    return document
  }
}
