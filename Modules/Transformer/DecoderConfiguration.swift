public import Autograd
public import Tensor

/// The shape of a decoder: everything that its weights do not say themselves.
public struct DecoderConfiguration: Codable, Hashable, Sendable {
  /// V, the token ids.
  public var vocabularyCount: Int
  /// D, the width of the residual stream.
  public var hiddenWidth: Int
  /// F, the width inside the feed-forward network.
  public var feedForwardWidth: Int
  /// L.
  public var blockCount: Int
  /// H, the query heads.
  public var headCount: Int
  /// KV, the key and value heads; divides H.
  public var keyHeadCount: Int
  /// d, the width of a head; even.
  public var headWidth: Int
  /// The longest sequence that the model was made for.
  public var contextLength: Int
  /// ε of every norm.
  public var normEpsilon: Float
  /// The base of the rotary frequencies.
  public var rotaryBase: Float
  /// How the rotary frequencies are stretched.
  public var rotaryScaling: RotaryScaling
  /// Whether the head shares the embedding's matrix.
  public var tiesEmbedding: Bool
  /// Whether the four projections of attention have biases.
  public var hasAttentionBias: Bool
  /// Whether the projections of the feed-forward network have biases.
  public var hasFeedForwardBias: Bool

  /// A decoder's shape; the defaults are LLaMA's.
  public init(
    vocabularyCount: Int,
    hiddenWidth: Int,
    feedForwardWidth: Int,
    blockCount: Int,
    headCount: Int,
    keyHeadCount: Int? = nil,
    headWidth: Int? = nil,
    contextLength: Int,
    normEpsilon: Float = 1e-5,
    rotaryBase: Float = 10_000,
    rotaryScaling: RotaryScaling = .none,
    tiesEmbedding: Bool = false,
    hasAttentionBias: Bool = false,
    hasFeedForwardBias: Bool = false
  ) {
    self.vocabularyCount = vocabularyCount
    self.hiddenWidth = hiddenWidth
    self.feedForwardWidth = feedForwardWidth
    self.blockCount = blockCount
    self.headCount = headCount
    self.keyHeadCount = keyHeadCount ?? headCount
    self.headWidth = headWidth ?? hiddenWidth / headCount
    self.contextLength = contextLength
    self.normEpsilon = normEpsilon
    self.rotaryBase = rotaryBase
    self.rotaryScaling = rotaryScaling
    self.tiesEmbedding = tiesEmbedding
    self.hasAttentionBias = hasAttentionBias
    self.hasFeedForwardBias = hasFeedForwardBias
  }

  /// The names of the linear layers inside the blocks, in execution order.
  ///
  /// They are what a quantizer may replace. Embedding and head are not among them.
  public var blockLinearLayers: [String] {
    (0..<blockCount).flatMap { block in
      DecoderBlock.linearLayers.map { "model.layers.\(block).\($0)" }
    }
  }

  /// The names of the embedding and, where it has its own matrix, of the head.
  public var embeddingLayers: [String] {
    tiesEmbedding ? ["model.embed_tokens"] : ["model.embed_tokens", "lm_head"]
  }

  /// The names of all tensors that the model consists of, in execution order.
  public var tensorNames: [String] {
    let blocks = (0..<blockCount).flatMap { block in
      DecoderBlock.tensorNames(self).map { "model.layers.\(block).\($0)" }
    }
    return ["model.embed_tokens.weight"] + blocks + ["model.norm.weight"]
      + (tiesEmbedding ? [] : ["lm_head.weight"])
  }

  /// The shape that a tensor of that name must have; nil if the model has no such tensor.
  public func shape(of name: String) -> Shape? {
    let (queryWidth, keyWidth) = (headCount * headWidth, keyHeadCount * headWidth)
    switch name {
    case "model.embed_tokens.weight", "lm_head.weight": return [vocabularyCount, hiddenWidth]
    case "model.norm.weight": return [hiddenWidth]
    default: break
    }
    let parts = name.split(separator: ".")
    guard parts.count >= 5, let kind = parts.last else { return nil }
    let widths: (output: Int, input: Int)
    switch parts[parts.count - 2] {
    case "q_proj": widths = (queryWidth, hiddenWidth)
    case "k_proj", "v_proj": widths = (keyWidth, hiddenWidth)
    case "o_proj": widths = (hiddenWidth, queryWidth)
    case "gate_proj", "up_proj": widths = (feedForwardWidth, hiddenWidth)
    case "down_proj": widths = (hiddenWidth, feedForwardWidth)
    case "input_layernorm", "post_attention_layernorm": return [hiddenWidth]
    default: return nil
    }
    return kind == "bias" ? [widths.output] : [widths.output, widths.input]
  }
}
