import Checkpoints
import Tensor

/// Gemma 2: Peri-LN with norms stored around 1, soft caps, windows on every other layer.
enum Gemma2Family: FamilyFormat {
  static let family = ModelFamily.gemma2
  static let architecture = "Gemma2ForCausalLM"
  static let names = TensorNames.llamaLike(
    TensorNames.outputNorms.merging([
      "feedForwardNorms.in_norm": "pre_feedforward_layernorm"
    ]) { $1 }
  )
  static let gguf: GGUFFormat? = GGUFFormat(
    architecture: "gemma2",
    names: .gguf(),
    storesOnePlus: true
  )
  private static let defaultWindow = 4096

  static func configuration(
    _ reader: ConfigurationReader
  ) throws(ModelError) -> TransformerConfiguration {
    var shape = try Gemma.configuration(reader.with(defaults: ["vocab_size": 256_000]), family)
    shape.attentionSoftCap = try Gemma.softCap(reader, "attn_logit_softcapping", default: 50)
    shape.logitSoftCap = try Gemma.softCap(reader, "final_logit_softcapping", default: 30)
    shape.windows = try LlamaLike.windows(reader, shape, default: defaultWindow) { $0 % 2 == 0 }
    return shape
  }

  static func adapt(
    _ shape: inout TransformerConfiguration,
    _ reader: ConfigurationReader
  ) throws(ModelError) {
    Gemma.adapt(&shape)
    shape.attentionSoftCap = try reader.positive("gemma2.attn_logit_softcapping", default: 50)
    shape.logitSoftCap = try reader.positive("gemma2.final_logit_softcapping", default: 30)
    let window = try reader.integer(
      "gemma2.attention.sliding_window",
      in: ConfigurationLimits.context,
      default: defaultWindow
    )
    shape.windows = (0..<shape.blockCount).map { $0 % 2 == 0 ? window : nil }
    // The file does not hold the scale; 27B, the model of 46 layers, differs.
    if shape.blockCount == 46 { shape.attentionScale = Gemma.widthScale(shape) }
  }

  static func document(_ shape: TransformerConfiguration) -> JSONObject {
    var document = Gemma.document(shape)
    document["attn_logit_softcapping"] = shape.attentionSoftCap.map { .decimal($0) } ?? .null
    document["final_logit_softcapping"] = shape.logitSoftCap.map { .decimal($0) } ?? .null
    return document
  }
}

/// Gemma 3: as Gemma 2 with norms of queries and keys for the soft caps, five layers with a window to
/// one without, and a rotary base for either kind.
enum Gemma3Family: FamilyFormat {
  static let family = ModelFamily.gemma3
  static let architecture = "Gemma3ForCausalLM"
  static let names = Gemma2Family.names
  static let gguf: GGUFFormat? = GGUFFormat(
    architecture: "gemma3",
    names: .gguf(),
    storesOnePlus: true
  )
  private static let pattern = 6
  private static let localBase: Float = 10_000

  static func configuration(
    _ reader: ConfigurationReader
  ) throws(ModelError) -> TransformerConfiguration {
    let reader = try reader.nested("text_config") ?? reader
    guard try !reader.flag("use_bidirectional_attention", default: false) else {
      throw reader.invalid(
        "use_bidirectional_attention",
        "is true: models that see what follows are not supported"
      )
    }
    // Some released files leave out whatever equals the defaults of the family.
    var shape = try Gemma.configuration(
      reader.with(defaults: ["vocab_size": 262_208, "max_position_embeddings": 131_072]),
      family
    )
    shape.queryKeyNorm = .perHead
    shape.logitSoftCap = try Gemma.softCap(reader, "final_logit_softcapping", default: nil)
    let olderPattern = try reader.integer("_sliding_window_pattern", in: 1...1024, default: pattern)
    let period = try reader.integer("sliding_window_pattern", in: 1...1024, default: olderPattern)
    shape.windows = try LlamaLike.windows(reader, shape, default: 4096) { ($0 + 1) % period != 0 }
    let parameters = try reader.nested("rope_parameters")?.nested("sliding_attention")
    if let kind = try parameters?.string("rope_type"), kind != "default" {
      throw reader.invalid(
        "rope_parameters.sliding_attention.rope_type",
        "is '\(kind)'; layers with a window turn without scaling"
      )
    }
    let older = try reader.positive("rope_local_base_freq", default: localBase)
    shape.windowRotaryBase = try parameters?.positive("rope_theta", default: older) ?? older
    shape.rotaryBase = try LlamaLike.rotary(reader, default: 1_000_000).base
    return shape
  }

  static func adapt(
    _ shape: inout TransformerConfiguration,
    _ reader: ConfigurationReader
  ) throws(ModelError) {
    Gemma.adapt(&shape)
    shape.queryKeyNorm = .perHead
    let window = try reader.optionalInteger(
      "gemma3.attention.sliding_window",
      in: ConfigurationLimits.context
    )
    let period = try reader.integer(
      "gemma3.attention.sliding_window_pattern",
      in: 1...1024,
      default: pattern
    )
    if let window {
      shape.windows = (0..<shape.blockCount).map { ($0 + 1) % period == 0 ? nil : window }
    }
    shape.rotaryBase = try reader.positive("gemma3.rope.freq_base", default: 1_000_000)
    shape.windowRotaryBase = try reader.positive("gemma3.rope.freq_base_swa", default: localBase)
    shape.logitSoftCap = try reader.optionalPositive("gemma3.final_logit_softcapping")
    // The file does not hold the scale; 27B, the model of 62 layers, differs.
    if shape.blockCount == 62 { shape.attentionScale = Gemma.widthScale(shape) }
  }

  static func document(_ shape: TransformerConfiguration) -> JSONObject {
    var document = Gemma.document(shape)
    document["final_logit_softcapping"] = shape.logitSoftCap.map { .decimal($0) } ?? .null
    document["rope_local_base_freq"] = .decimal(shape.windowRotaryBase ?? localBase)
    // Where no layer follows the rule of the family, readers need it: the period of full layers.
    if let full = (0..<shape.blockCount).first(where: { shape.window(of: $0) == nil }) {
      document["sliding_window_pattern"] = .integer(Int64(full + 1))
    }
    return document
  }
}

/// What the generations of Gemma share.
private enum Gemma {
  /// The sizes that the transformers library takes where a file names none.
  private static let sizes: JSONObject = [
    "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
    "num_attention_heads": 8, "num_key_value_heads": 4, "max_position_embeddings": 8192,
  ]

  static func configuration(
    _ reader: ConfigurationReader,
    _ family: ModelFamily
  ) throws(ModelError) -> TransformerConfiguration {
    var shape = try LlamaLike.configuration(
      reader.with(defaults: sizes),
      family,
      tiesByDefault: true,
      headWidth: 256,
      activation: "hidden_activation"
    )
    let hasActivation = try reader.string("hidden_activation") != nil
    let function = shape.feedForward
    adapt(&shape)
    if hasActivation { shape.feedForward = function }
    let scalar = try reader.positive("query_pre_attn_scalar", default: 256)
    shape.attentionScale = 1 / scalar.squareRoot()
    shape.hasAttentionBias = try reader.flag("attention_bias", default: false)
    shape.hasAttentionOutputBias = shape.hasAttentionBias
    return shape
  }

  static func adapt(_ shape: inout TransformerConfiguration) {
    shape.placement = .peri
    shape.norm = .rmsOnePlus
    shape.embeddingScale = Float(shape.hiddenWidth).squareRoot()
    shape.feedForward = .gated(.geluTanh)
  }

  /// A soft cap; null switches it off, a missing key means the default.
  static func softCap(
    _ reader: ConfigurationReader,
    _ key: String,
    default fallback: Float?
  ) throws(ModelError) -> Float? {
    if reader.value(key)?.isNull == true { return nil }
    return try reader.optionalPositive(key) ?? fallback
  }

  /// 1/√(D/H), the scale of the largest models.
  static func widthScale(_ shape: TransformerConfiguration) -> Float {
    1 / (Float(shape.hiddenWidth) / Float(shape.headCount)).squareRoot()
  }

  static func document(_ shape: TransformerConfiguration) -> JSONObject {
    var document = LlamaLike.document(shape)
    document["hidden_activation"] = document["hidden_act"] ?? .null
    let scale = shape.attentionScale ?? 1 / Float(shape.headWidth).squareRoot()
    document["query_pre_attn_scalar"] = scalar(1 / (scale * scale))
    document["attention_bias"] = .bool(shape.hasAttentionBias)
    for (key, value) in LlamaLike.windowDocument(shape, unused: 4096) { document[key] = value }
    return document
  }

  /// The scalar as an integer where it is one, as released files have it.
  private static func scalar(_ value: Float) -> JSONValue {
    let whole = value.rounded()
    return abs(value - whole) < 1e-3 ? .integer(Int64(whole)) : .decimal(value)
  }
}
