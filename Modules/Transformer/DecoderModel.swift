public import Autograd
public import Tensor

/// A decoder-only language model: embedding → blocks → norm → head.
///
///     x₀ = E[token],  x_{l+1} = Block_l(x_l),  logits = Norm(x_L) W_headᵀ
///
/// - Shapes: token ids [T]; x [T × D]; logits [T × V].
public final class DecoderModel: Module {
  /// The shape of the model.
  public let configuration: DecoderConfiguration
  /// E [V × D].
  public let embedding: any LinearLayer
  /// The blocks in order.
  public let blocks: [DecoderBlock]
  /// The norm before the head.
  public let finalNorm: RMSNorm
  /// W_head [V × D]; the embedding itself when they are tied.
  public let head: any LinearLayer
  private let rotary: RotaryEmbedding

  /// Builds the model from a configuration and a source of weights.
  public init(_ configuration: DecoderConfiguration, weights source: any WeightSource) throws {
    self.configuration = configuration
    let (count, width) = (configuration.vocabularyCount, configuration.hiddenWidth)
    let table = try source.linear(
      "model.embed_tokens",
      outputWidth: count,
      inputWidth: width,
      hasBias: false
    )
    embedding = table
    blocks = try (0..<configuration.blockCount).map { index in
      try DecoderBlock(index, configuration, source: source)
    }
    finalNorm = RMSNorm(
      weight: Parameter(
        try source.tensor("model.norm.weight", shape: [width]),
        isTrainable: false
      ),
      epsilon: configuration.normEpsilon
    )
    head =
      configuration.tiesEmbedding
      ? table
      : try source.linear("lm_head", outputWidth: count, inputWidth: width, hasBias: false)
    rotary = RotaryEmbedding(
      headWidth: configuration.headWidth,
      base: configuration.rotaryBase,
      scaling: configuration.rotaryScaling
    )
  }

  /// An empty cache that fits this model.
  public func makeCache() -> KeyValueCache {
    KeyValueCache(
      blockCount: blocks.count,
      keyHeadCount: configuration.keyHeadCount,
      headWidth: configuration.headWidth
    )
  }

  /// The residual stream after the last norm, for tokens that follow those in `cache`.
  ///
  /// - Parameters:
  ///   - tokens: ids in [0, V).
  ///   - cache: the tokens before; the new ones are added.
  ///   - observe: sees the stream at each depth: 0 after the embedding, l after block l − 1.
  /// - Returns: [T × D].
  public func hiddenStates(
    _ tokens: [Int32],
    cache: KeyValueCache,
    observe: ((_ depth: Int, _ state: Tensor<Float>) -> Void)? = nil
  ) -> Tensor<Float> {
    cache.reserve(tokens.count)
    let table = rotary.table(first: cache.count, count: tokens.count)
    var x = embedding.weightRows(tokens)  // [T × D]
    observe?(0, x)
    for (index, block) in blocks.enumerated() {
      x = block(x, rotary: table, cache: cache, block: index)
      observe?(index + 1, x)
    }
    cache.advance(by: tokens.count)
    return finalNorm(x)
  }

  /// The logits of every position, for tokens that follow those in `cache`.
  ///
  /// - Returns: [T × V].
  public func callAsFunction(_ tokens: [Int32], cache: KeyValueCache) -> Tensor<Float> {
    head(hiddenStates(tokens, cache: cache))
  }

  /// The logits after the last of `tokens`: what the next token is drawn from.
  ///
  /// - Returns: [V].
  public func nextTokenLogits(_ tokens: [Int32], cache: KeyValueCache) -> Tensor<Float> {
    expect(!tokens.isEmpty, "decoder: no token to continue from")
    let states = hiddenStates(tokens, cache: cache)
    let last = states[states.shape[0] - 1..<states.shape[0]]  // [1 × D]
    return head(last)[0]
  }
}
