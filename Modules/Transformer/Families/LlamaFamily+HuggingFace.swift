import Autograd
import Checkpoints

/// The LLaMA family (Llama 1 to 3, SmolLM2, TinyLlama): Pre-LN, RMSNorm, rotary positions, SwiGLU.
///
/// Its checkpoint names are the ones that `DecoderModel` asks for; other formats map onto them.
enum LlamaFamily {
  /// The `model_type` of config.json.
  static let modelType = "llama"

  /// The configuration in a config.json of either key generation.
  static func configuration(
    _ reader: ConfigurationReader
  ) throws(ModelError) -> DecoderConfiguration {
    let width = try reader.integer("hidden_size", in: ConfigurationLimits.width)
    let heads = try reader.integer("num_attention_heads", in: ConfigurationLimits.heads)
    if let activation = try reader.string("hidden_act"), activation != "silu" {
      throw reader.invalid("hidden_act", "is '\(activation)', only 'silu' is supported")
    }
    let rotary = try rotary(reader)
    let configuration = DecoderConfiguration(
      vocabularyCount: try reader.integer("vocab_size", in: ConfigurationLimits.vocabulary),
      hiddenWidth: width,
      feedForwardWidth: try reader.integer("intermediate_size", in: ConfigurationLimits.width),
      blockCount: try reader.integer("num_hidden_layers", in: ConfigurationLimits.blocks),
      headCount: heads,
      keyHeadCount: try reader.integer(
        "num_key_value_heads",
        in: ConfigurationLimits.heads,
        default: heads
      ),
      headWidth: try reader.integer(
        "head_dim",
        in: ConfigurationLimits.width,
        default: width / heads
      ),
      contextLength: try reader.integer(
        "max_position_embeddings",
        in: ConfigurationLimits.context,
        default: 2048
      ),
      normEpsilon: try reader.positive("rms_norm_eps", default: 1e-6),
      rotaryBase: rotary.base,
      rotaryScaling: rotary.scaling,
      tiesEmbedding: try reader.flag("tie_word_embeddings", default: false),
      hasAttentionBias: try reader.flag("attention_bias", default: false),
      hasFeedForwardBias: try reader.flag("mlp_bias", default: false)
    )
    try configuration.validate(reader, heads: "num_key_value_heads", width: "head_dim")
    return configuration
  }

  /// `rope_theta` with `rope_scaling` (older files), or `rope_parameters` (newer ones).
  private static func rotary(
    _ reader: ConfigurationReader
  ) throws(ModelError) -> (base: Float, scaling: RotaryScaling) {
    let parameters = try reader.nested("rope_parameters")
    let plainBase = try reader.positive("rope_theta", default: 10_000)
    let base = try parameters?.positive("rope_theta", default: plainBase) ?? plainBase
    let olderScaling = try reader.nested("rope_scaling")
    guard let scaling = parameters ?? olderScaling else { return (base, .none) }
    let olderKind = try scaling.string("type")
    let kind = try scaling.string("rope_type") ?? olderKind ?? "default"
    switch kind {
    case "default":
      return (base, .none)
    case "linear":
      return (base, .linear(factor: try scaling.positive("factor")))
    case "llama3":
      return (
        base,
        .llama3(
          factor: try scaling.positive("factor"),
          lowFrequencyFactor: try scaling.positive("low_freq_factor"),
          highFrequencyFactor: try scaling.positive("high_freq_factor"),
          originalLength: try scaling.positive("original_max_position_embeddings")
        )
      )
    case "divisors":
      return (base, .divisors(try scaling.positives("divisors")))
    default:
      throw reader.invalid(
        "rope_type",
        "is '\(kind)'; supported are 'default', 'linear' and 'llama3'"
      )
    }
  }

  /// The config.json of a configuration: what the transformers library reads.
  static func document(
    _ configuration: DecoderConfiguration,
    elementType: String
  ) -> JSONObject {
    var document: JSONObject = [
      "architectures": ["LlamaForCausalLM"],
      "model_type": .string(modelType),
      "vocab_size": .integer(Int64(configuration.vocabularyCount)),
      "hidden_size": .integer(Int64(configuration.hiddenWidth)),
      "intermediate_size": .integer(Int64(configuration.feedForwardWidth)),
      "num_hidden_layers": .integer(Int64(configuration.blockCount)),
      "num_attention_heads": .integer(Int64(configuration.headCount)),
      "num_key_value_heads": .integer(Int64(configuration.keyHeadCount)),
      "head_dim": .integer(Int64(configuration.headWidth)),
      "max_position_embeddings": .integer(Int64(configuration.contextLength)),
      "rms_norm_eps": .number(Double("\(configuration.normEpsilon)") ?? 0),
      "rope_theta": .number(Double("\(configuration.rotaryBase)") ?? 0),
      "hidden_act": "silu",
      "tie_word_embeddings": .bool(configuration.tiesEmbedding),
      "attention_bias": .bool(configuration.hasAttentionBias),
      "mlp_bias": .bool(configuration.hasFeedForwardBias),
      "torch_dtype": .string(elementType),
    ]
    if let scaling = scalingDocument(configuration.rotaryScaling) {
      document["rope_scaling"] = .object(scaling)
    }
    return document
  }

  private static func scalingDocument(_ scaling: RotaryScaling) -> JSONObject? {
    switch scaling {
    case .none:
      nil
    case .linear(let factor):
      ["rope_type": "linear", "factor": .number(Double(factor))]
    case .llama3(let factor, let low, let high, let length):
      [
        "rope_type": "llama3", "factor": .number(Double(factor)),
        "low_freq_factor": .number(Double(low)), "high_freq_factor": .number(Double(high)),
        "original_max_position_embeddings": .integer(Int64(length)),
      ]
    case .divisors(let divisors):
      // No config.json key holds a divisor for each frequency; readers of this project know this.
      ["rope_type": "divisors", "divisors": .array(divisors.map { .number(Double($0)) })]
    }
  }
}

extension DecoderConfiguration {
  /// The contradictions that no single setting shows.
  func validate(
    _ reader: ConfigurationReader,
    heads headsKey: String,
    width widthKey: String
  ) throws(ModelError) {
    guard headCount % keyHeadCount == 0 else {
      throw reader.invalid(
        headsKey,
        "is \(keyHeadCount), which does not divide the \(headCount) heads"
      )
    }
    guard headWidth % 2 == 0 else {
      throw reader.invalid(widthKey, "is \(headWidth): rotary positions need an even head width")
    }
    guard headWidth * headCount <= ConfigurationLimits.width.upperBound else {
      throw reader.invalid(widthKey, "is \(headWidth): \(headCount) such heads are too wide")
    }
  }
}
