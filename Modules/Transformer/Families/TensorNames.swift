/// How a family calls the parts of a model, which the module knows by their paths.
struct TensorNames {
  /// Parts outside the blocks: `embedding` to `model.embed_tokens`.
  var model: [String: String]
  /// What stands in front of a block's number: `model.layers.`.
  var blockPrefix: String
  /// Parts of a block: `attention.query` to `self_attn.q_proj`.
  var block: [String: String]
  /// What names on disk may begin with; the first is what `model` and `blockPrefix` begin with.
  var prefixes: [String] = [""]
  /// Matrices that are stored [inputs × outputs], with their parts side by side: GPT-2's `Conv1D`.
  var conv1D: [(stored: String, parts: [String])] = []

  /// The name of a layer by its path: `blocks.3.attention.query`.
  func layer(_ path: String) -> String {
    let parts = path.split(separator: ".", maxSplits: 2).map(String.init)
    guard parts[0] == "blocks", parts.count == 3 else { return model[path] ?? path }
    return blockPrefix + parts[1] + "." + (block[parts[2]] ?? parts[2])
  }

  /// The name of a tensor by its path: `blocks.3.attention.query.weight`.
  func tensor(_ path: String) -> String {
    guard let dot = path.lastIndex(of: ".") else { return layer(path) }
    return layer(String(path[..<dot])) + path[dot...]
  }

  /// The names of LLaMA, which most families share; `block` adds to them or replaces them.
  static func llamaLike(_ block: [String: String] = [:]) -> TensorNames {
    let shared = [
      "attentionNorms.in_norm": "input_layernorm",
      "feedForwardNorms.in_norm": "post_attention_layernorm",
      "attention.query": "self_attn.q_proj", "attention.key": "self_attn.k_proj",
      "attention.value": "self_attn.v_proj", "attention.output": "self_attn.o_proj",
      "attention.queryNorm": "self_attn.q_norm", "attention.keyNorm": "self_attn.k_norm",
      "feedForward.gate": "mlp.gate_proj", "feedForward.up": "mlp.up_proj",
      "feedForward.down": "mlp.down_proj",
    ]
    return TensorNames(
      model: ["embedding": "model.embed_tokens", "finalNorm": "model.norm", "head": "lm_head"],
      blockPrefix: "model.layers.",
      block: shared.merging(block) { $1 },
      prefixes: ["model.", "model.language_model.", "language_model.model.", ""]
    )
  }

  /// The names of norms behind attention and the feed-forward network.
  static let outputNorms = [
    "attentionNorms.out_norm": "post_attention_layernorm",
    "feedForwardNorms.out_norm": "post_feedforward_layernorm",
  ]

  /// The names that GGUF files share; `block` adds to them or replaces them.
  static func gguf(_ block: [String: String] = [:]) -> TensorNames {
    let shared = [
      "attentionNorms.in_norm": "attn_norm", "feedForwardNorms.in_norm": "ffn_norm",
      "attentionNorms.out_norm": "post_attention_norm",
      "feedForwardNorms.out_norm": "post_ffw_norm",
      "attention.query": "attn_q", "attention.key": "attn_k", "attention.value": "attn_v",
      "attention.output": "attn_output", "attention.queryNorm": "attn_q_norm",
      "attention.keyNorm": "attn_k_norm", "feedForward.gate": "ffn_gate",
      "feedForward.up": "ffn_up", "feedForward.down": "ffn_down",
    ]
    return TensorNames(
      model: [
        "embedding": "token_embd", "finalNorm": "output_norm", "head": "output",
        "positions": "position_embd", "tokenTypes": "token_types",
        "embeddingNorm": "token_embd_norm",
      ],
      blockPrefix: "blk.",
      block: shared.merging(block) { $1 }
    )
  }
}
