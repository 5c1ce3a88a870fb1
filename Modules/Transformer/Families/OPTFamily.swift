import Checkpoints
import Tensor

/// OPT: LayerNorm, ReLU, learned positions from row 2 on; Pre-LN, but Post-LN in the 350M model.
enum OPTFamily: FamilyFormat {
  static let family = ModelFamily.opt
  static let architecture = "OPTForCausalLM"
  static let names = TensorNames(
    model: [
      "embedding": "model.decoder.embed_tokens", "positions": "model.decoder.embed_positions",
      "projectIn": "model.decoder.project_in", "projectOut": "model.decoder.project_out",
      "finalNorm": "model.decoder.final_layer_norm", "head": "lm_head",
    ],
    blockPrefix: "model.decoder.layers.",
    block: [
      "attentionNorms.in_norm": "self_attn_layer_norm",
      "attentionNorms.post_norm": "self_attn_layer_norm",
      "feedForwardNorms.in_norm": "final_layer_norm",
      "feedForwardNorms.post_norm": "final_layer_norm",
      "attention.query": "self_attn.q_proj", "attention.key": "self_attn.k_proj",
      "attention.value": "self_attn.v_proj", "attention.output": "self_attn.out_proj",
      "feedForward.up": "fc1", "feedForward.down": "fc2",
    ],
    prefixes: ["model.decoder.", "decoder."]
  )

  static func configuration(
    _ reader: ConfigurationReader
  ) throws(ModelError) -> TransformerConfiguration {
    let width = try reader.integer("hidden_size", in: ConfigurationLimits.width)
    let heads = try reader.integer("num_attention_heads", in: ConfigurationLimits.heads)
    var shape = TransformerConfiguration(
      family: family,
      vocabularyCount: try reader.integer("vocab_size", in: ConfigurationLimits.vocabulary),
      hiddenWidth: width,
      feedForwardWidth: try reader.integer("ffn_dim", in: ConfigurationLimits.width),
      blockCount: try reader.integer("num_hidden_layers", in: ConfigurationLimits.blocks),
      headCount: heads,
      headWidth: max(width / heads, 1),
      contextLength: try reader.integer(
        "max_position_embeddings",
        in: ConfigurationLimits.width,
        default: 2048
      )
    )
    guard width % heads == 0 else {
      throw reader.invalid(
        "num_attention_heads",
        "is \(heads), which does not divide the width \(width)"
      )
    }
    guard try reader.flag("layer_norm_elementwise_affine", default: true) else {
      throw reader.invalid("layer_norm_elementwise_affine", "is false, which is not supported")
    }
    let name = try reader.string("activation_function") ?? "relu"
    guard let function = LlamaLike.function(name) else {
      throw reader.invalid("activation_function", "is '\(name)', which is not supported")
    }
    let isPre = try reader.flag("do_layer_norm_before", default: true)
    let isBiased = try reader.flag("enable_bias", default: true)
    let lacksFinalNorm = try reader.flag("_remove_final_layer_norm", default: false)
    shape.embeddingWidth = try reader.integer(
      "word_embed_proj_dim",
      in: ConfigurationLimits.width,
      default: width
    )
    shape.placement = isPre ? .pre : .post
    shape.norm = .layer
    shape.hasFinalNorm = isPre && !lacksFinalNorm
    shape.positions = .learned(offset: 2)
    shape.feedForward = .plain(function)
    shape.hasAttentionBias = isBiased
    shape.hasAttentionOutputBias = isBiased
    shape.hasFeedForwardBias = isBiased
    shape.tiesEmbedding = try reader.flag("tie_word_embeddings", default: true)
    return shape
  }

  static func document(_ shape: TransformerConfiguration) -> JSONObject {
    var document: JSONObject = [
      "vocab_size": .integer(Int64(shape.vocabularyCount)),
      "hidden_size": .integer(Int64(shape.hiddenWidth)),
      "ffn_dim": .integer(Int64(shape.feedForwardWidth)),
      "num_hidden_layers": .integer(Int64(shape.blockCount)),
      "num_attention_heads": .integer(Int64(shape.headCount)),
      "max_position_embeddings": .integer(Int64(shape.contextLength)),
      "word_embed_proj_dim": .integer(Int64(shape.embeddingWidth)),
      "do_layer_norm_before": .bool(shape.placement == .pre),
      "_remove_final_layer_norm": .bool(shape.placement == .pre && !shape.hasFinalNorm),
      "enable_bias": .bool(shape.hasAttentionBias),
      "tie_word_embeddings": .bool(shape.tiesEmbedding),
    ]
    if case .plain(let function) = shape.feedForward {
      document["activation_function"] = .string(LlamaLike.name(function))
    }
    return document
  }
}
