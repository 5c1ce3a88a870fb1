import Checkpoints
import Tensor

/// BERT and MiniLM: a Post-LN encoder with a norm of the embedding.
enum BERTFamily: FamilyFormat {
  static let family = ModelFamily.bert
  static let architecture = "BertModel"
  static let names = TensorNames(
    model: [
      "embedding": "embeddings.word_embeddings", "positions": "embeddings.position_embeddings",
      "tokenTypes": "embeddings.token_type_embeddings", "embeddingNorm": "embeddings.LayerNorm",
      "pooler": "pooler.dense",
    ],
    blockPrefix: "encoder.layer.",
    block: [
      "attention.query": "attention.self.query", "attention.key": "attention.self.key",
      "attention.value": "attention.self.value", "attention.output": "attention.output.dense",
      "attentionNorms.post_norm": "attention.output.LayerNorm",
      "feedForward.up": "intermediate.dense", "feedForward.down": "output.dense",
      "feedForwardNorms.post_norm": "output.LayerNorm",
    ],
    prefixes: ["", "bert."]
  )
  static let gguf: GGUFFormat? = GGUFFormat(
    architecture: "bert",
    names: .gguf([
      "attentionNorms.post_norm": "attn_output_norm",
      "feedForwardNorms.post_norm": "layer_output_norm",
    ])
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
      feedForwardWidth: try reader.integer("intermediate_size", in: ConfigurationLimits.width),
      blockCount: try reader.integer("num_hidden_layers", in: ConfigurationLimits.blocks),
      headCount: heads,
      headWidth: max(width / heads, 1),
      contextLength: try reader.integer(
        "max_position_embeddings",
        in: ConfigurationLimits.width,
        default: 512
      )
    )
    guard width % heads == 0 else {
      throw reader.invalid(
        "num_attention_heads",
        "is \(heads), which does not divide the width \(width)"
      )
    }
    let positions = try reader.string("position_embedding_type") ?? "absolute"
    guard positions == "absolute" else {
      throw reader.invalid("position_embedding_type", "is '\(positions)', not 'absolute'")
    }
    guard try !reader.flag("is_decoder", default: false) else {
      throw reader.invalid("is_decoder", "is true, which is not supported")
    }
    let name = try reader.string("hidden_act") ?? "gelu"
    guard let function = LlamaLike.function(name) else {
      throw reader.invalid("hidden_act", "is '\(name)', which is not supported")
    }
    adapt(&shape, reader)
    shape.feedForward = .plain(function)
    shape.normEpsilon = try reader.positive("layer_norm_eps", default: 1e-12)
    shape.tokenTypeCount = try reader.integer(
      "type_vocab_size",
      in: ConfigurationLimits.width,
      default: 2
    )
    return shape
  }

  static func adapt(
    _ shape: inout TransformerConfiguration,
    _ reader: ConfigurationReader
  ) {
    shape.placement = .post
    shape.norm = .layer
    shape.normalizesEmbedding = true
    shape.hasFinalNorm = false
    shape.isCausal = false
    shape.positions = .learned(offset: 0)
    shape.tokenTypeCount = 2
    shape.feedForward = .plain(.gelu)
    shape.hasAttentionBias = true
    shape.hasAttentionOutputBias = true
    shape.hasFeedForwardBias = true
    shape.tiesEmbedding = true
  }

  static func document(_ shape: TransformerConfiguration) -> JSONObject {
    var document: JSONObject = [
      "vocab_size": .integer(Int64(shape.vocabularyCount)),
      "hidden_size": .integer(Int64(shape.hiddenWidth)),
      "intermediate_size": .integer(Int64(shape.feedForwardWidth)),
      "num_hidden_layers": .integer(Int64(shape.blockCount)),
      "num_attention_heads": .integer(Int64(shape.headCount)),
      "max_position_embeddings": .integer(Int64(shape.contextLength)),
      "type_vocab_size": .integer(Int64(shape.tokenTypeCount)),
      "layer_norm_eps": .decimal(shape.normEpsilon),
      "position_embedding_type": "absolute",
    ]
    if case .plain(let function) = shape.feedForward {
      document["hidden_act"] = .string(LlamaLike.name(function))
    }
    return document
  }
}
