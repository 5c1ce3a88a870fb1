import Checkpoints
import Tensor

/// GPT-2: Pre-LN with LayerNorm, learned positions, matrices stored [inputs × outputs].
enum GPT2Family: FamilyFormat {
  static let family = ModelFamily.gpt2
  static let architecture = "GPT2LMHeadModel"
  static let names = TensorNames(
    model: [
      "embedding": "transformer.wte", "positions": "transformer.wpe",
      "finalNorm": "transformer.ln_f", "head": "lm_head",
    ],
    blockPrefix: "transformer.h.",
    block: [
      "attentionNorms.in_norm": "ln_1", "feedForwardNorms.in_norm": "ln_2",
      "attention.query": "attn.q_proj", "attention.key": "attn.k_proj",
      "attention.value": "attn.v_proj", "attention.output": "attn.o_proj",
      "feedForward.up": "mlp.up_proj", "feedForward.down": "mlp.down_proj",
    ],
    prefixes: ["transformer.", ""],
    conv1D: [
      ("attn.c_attn", ["attn.q_proj", "attn.k_proj", "attn.v_proj"]),
      ("attn.c_proj", ["attn.o_proj"]),
      ("mlp.c_fc", ["mlp.up_proj"]),
      ("mlp.c_proj", ["mlp.down_proj"]),
    ]
  )
  static let gguf: GGUFFormat? = GGUFFormat(
    architecture: "gpt2",
    names: .gguf(),
    fused: [(stored: "attn_qkv", parts: ["query", "key", "value"])]
  )

  static func configuration(
    _ reader: ConfigurationReader
  ) throws(ModelError) -> TransformerConfiguration {
    let reader = reader.with(otherNames: [
      "n_embd": "hidden_size", "n_layer": "num_hidden_layers", "n_head": "num_attention_heads",
      "n_positions": "max_position_embeddings",
    ])
    let width = try reader.integer("n_embd", in: ConfigurationLimits.width)
    let heads = try reader.integer("n_head", in: ConfigurationLimits.heads)
    var shape = TransformerConfiguration(
      family: family,
      vocabularyCount: try reader.integer("vocab_size", in: ConfigurationLimits.vocabulary),
      hiddenWidth: width,
      feedForwardWidth: try reader.integer(
        "n_inner",
        in: ConfigurationLimits.width,
        default: 4 * width
      ),
      blockCount: try reader.integer("n_layer", in: ConfigurationLimits.blocks),
      headCount: heads,
      headWidth: max(width / heads, 1),
      contextLength: try reader.integer(
        "n_positions",
        in: ConfigurationLimits.width,
        default: 1024
      )
    )
    guard width % heads == 0 else {
      throw reader.invalid("n_head", "is \(heads), which does not divide the width \(width)")
    }
    shape.dividesAttentionByDepth = try reader.flag(
      "scale_attn_by_inverse_layer_idx",
      default: false
    )
    adapt(&shape, reader)
    let name = try reader.string("activation_function") ?? "gelu_new"
    guard let function = LlamaLike.function(name) else {
      throw reader.invalid("activation_function", "is '\(name)', which is not supported")
    }
    shape.feedForward = .plain(function)
    if try !reader.flag("scale_attn_weights", default: true) { shape.attentionScale = 1 }
    shape.normEpsilon = try reader.positive("layer_norm_epsilon", default: 1e-5)
    shape.tiesEmbedding = try reader.flag("tie_word_embeddings", default: true)
    return shape
  }

  static func adapt(
    _ shape: inout TransformerConfiguration,
    _ reader: ConfigurationReader
  ) {
    shape.norm = .layer
    shape.positions = .learned(offset: 0)
    shape.feedForward = .plain(.geluTanh)
    shape.hasAttentionBias = true
    shape.hasAttentionOutputBias = true
    shape.hasFeedForwardBias = true
  }

  static func document(_ shape: TransformerConfiguration) -> JSONObject {
    var document: JSONObject = [
      "vocab_size": .integer(Int64(shape.vocabularyCount)),
      "n_embd": .integer(Int64(shape.hiddenWidth)),
      "n_inner": .integer(Int64(shape.feedForwardWidth)),
      "n_layer": .integer(Int64(shape.blockCount)),
      "n_head": .integer(Int64(shape.headCount)),
      "n_positions": .integer(Int64(shape.contextLength)),
      "n_ctx": .integer(Int64(shape.contextLength)),
      "layer_norm_epsilon": .decimal(shape.normEpsilon),
      "tie_word_embeddings": .bool(shape.tiesEmbedding),
      "scale_attn_weights": .bool(shape.attentionScale != 1),
      "scale_attn_by_inverse_layer_idx": .bool(shape.dividesAttentionByDepth),
    ]
    if case .plain(let function) = shape.feedForward {
      document["activation_function"] = .string(
        function == .geluTanh ? "gelu_new" : LlamaLike.name(function)
      )
    }
    return document
  }
}
