public import Autograd
public import Tensor

/// The shape of a transformer: everything that its weights do not say themselves.
///
/// One block serves all families; what tells them apart is written here. The defaults are LLaMA's.
public struct TransformerConfiguration: Codable, Hashable, Sendable {
  /// The family, whose names the tensors have on disk.
  public var family: ModelFamily
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
  /// d, the width of a head; even where positions are rotary.
  public var headWidth: Int
  /// The longest sequence that the model was made for.
  public var contextLength: Int

  /// Where the norms of a block stand.
  public var placement = NormPlacement.pre
  /// Which norms they are.
  public var norm = NormKind.rms
  /// ε of every norm.
  public var normEpsilon: Float = 1e-5
  /// Whether the embedding is normalized before the first block.
  public var normalizesEmbedding = false
  /// Whether the stream is normalized after the last block.
  public var hasFinalNorm = true
  /// What is normalized of queries and keys before they turn.
  public var queryKeyNorm = QueryKeyNorm.none

  /// The factor of the attention scores; nil for 1/√d.
  public var attentionScale: Float?
  /// Whether block i divides that factor by i + 1, as some GPT-2 do.
  public var dividesAttentionByDepth = false
  /// c of scores c·tanh(score / c), applied before the mask; nil for none.
  public var attentionSoftCap: Float?
  /// c of logits c·tanh(logit / c); nil for none.
  public var logitSoftCap: Float?
  /// Whether a position sees only itself and those before it.
  public var isCausal = true
  /// The window W of each block: position i sees j with 0 ≤ i − j < W.
  ///
  /// Nil sees all; the list is empty if no block has a window.
  public var windows: [Int?] = []

  /// How positions enter.
  public var positions = PositionKind.rotary
  /// The base of the rotary frequencies.
  public var rotaryBase: Float = 10_000
  /// How the rotary frequencies are stretched.
  public var rotaryScaling = RotaryScaling.none
  /// The base in blocks with a window, where it differs; never stretched.
  public var windowRotaryBase: Float?

  /// The width of the embedding's rows, where projections lead from it to D and back.
  public var embeddingWidth: Int
  /// The factor of the embedding's rows.
  public var embeddingScale: Float = 1
  /// Whether the head shares the embedding's matrix.
  public var tiesEmbedding = false
  /// The kinds of segments that a token may belong to; 0 for none.
  public var tokenTypeCount = 0
  /// Whether the first token's state passes a dense layer with tanh, for an encoder.
  public var hasPooler = false

  /// The network inside a block.
  public var feedForward = FeedForwardKind.gated(.silu)
  /// Whether the projections of queries, keys and values have biases.
  public var hasAttentionBias = false
  /// Whether the projection behind attention has one.
  public var hasAttentionOutputBias = false
  /// Whether the projections of the feed-forward network have biases.
  public var hasFeedForwardBias = false

  /// A transformer's shape; everything else starts as in LLaMA.
  public init(
    family: ModelFamily = .llama,
    vocabularyCount: Int,
    hiddenWidth: Int,
    feedForwardWidth: Int,
    blockCount: Int,
    headCount: Int,
    keyHeadCount: Int? = nil,
    headWidth: Int? = nil,
    contextLength: Int
  ) {
    self.family = family
    self.vocabularyCount = vocabularyCount
    self.hiddenWidth = hiddenWidth
    self.feedForwardWidth = feedForwardWidth
    self.blockCount = blockCount
    self.headCount = headCount
    self.keyHeadCount = keyHeadCount ?? headCount
    self.headWidth = headWidth ?? hiddenWidth / headCount
    self.contextLength = contextLength
    embeddingWidth = hiddenWidth
  }
}

/// What is normalized of queries and keys.
public enum QueryKeyNorm: String, Codable, Hashable, Sendable {
  /// Nothing.
  case none
  /// Each head on its own; weights [d]. Qwen 3, Gemma 3.
  case perHead
  /// The whole projection before it is split into heads; weights [H·d] and [KV·d]. OLMo 2.
  case wholeProjection
}

/// How positions enter a transformer.
public enum PositionKind: Codable, Hashable, Sendable {
  /// Queries and keys turn by their position.
  case rotary
  /// A row of a table is added to the embedding: row position + offset.
  case learned(offset: Int)
  /// Not at all.
  case none
}

/// The feed-forward network of a block.
public enum FeedForwardKind: Codable, Hashable, Sendable {
  /// (f(x W_gateᵀ) ⊙ x W_upᵀ) W_downᵀ.
  case gated(GateFunction)
  /// f(x W_upᵀ) W_downᵀ.
  case plain(GateFunction)
}
