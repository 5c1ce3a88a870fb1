public import Autograd
public import Tensor

/// A decoder-only language model: embedding → blocks → norm → head.
///
///     logits = cap(body(tokens) W_headᵀ)
///
/// The same module trains and generates: `loss` and `states` follow gradients through complete
/// sequences, `callAsFunction` continues sequences whose keys and values are cached.
public final class DecoderModel: Module {
  /// The shape of the model.
  public var configuration: TransformerConfiguration { body.configuration }
  /// Everything below the head.
  public let body: TransformerBody
  /// W_head [V × D]; the embedding itself when they are tied.
  public let head: any LinearLayer
  /// How the caches that `makeCache()` makes store keys and values.
  public var cachePrecision = KeyValueCache.Precision.float
  /// Whether training runs each block again in the backward pass, see
  /// ``TransformerBody/recomputesBlocks``.
  public var recomputesBlocks: Bool {
    get { body.recomputesBlocks }
    set { body.recomputesBlocks = newValue }
  }

  /// Builds the model from a configuration and a source of weights.
  public convenience init(
    _ configuration: TransformerConfiguration,
    weights source: any WeightSource
  ) throws {
    try self.init(configuration, from: ModelParts(configuration, source: source))
  }

  /// The model; without blocks where they are built one at a time.
  init(
    _ configuration: TransformerConfiguration,
    from parts: ModelParts,
    hasBlocks: Bool = true
  ) throws {
    expect(configuration.isCausal, "decoder: the configuration is an encoder's")
    body = try TransformerBody(configuration, from: parts, hasBlocks: hasBlocks)
    head =
      configuration.tiesEmbedding
      ? body.embedding
      : try parts.linear("head", configuration.vocabularyCount, configuration.embeddingWidth)
  }

  /// The body's names, and `head`.
  public func visitParameters(_ visitor: ModuleVisitor) {
    body.visitParameters(visitor)
    visitor.visit("head", head)
  }

  /// An empty cache that fits this model.
  public func makeCache() -> KeyValueCache {
    KeyValueCache(
      blockCount: configuration.blockCount,
      keyHeadCount: configuration.keyHeadCount,
      headWidth: configuration.headWidth,
      precision: cachePrecision
    )
  }
}

// MARK: - Complete sequences, with gradients

extension DecoderModel {
  /// The states before the head, for complete sequences.
  ///
  /// - Parameters:
  ///   - tokens: ids in [0, V), [B × T].
  ///   - observe: sees the values inside.
  /// - Returns: [(B·T) × D].
  public func states(_ tokens: Tensor<Int32>, observe: ModelObserver? = nil) -> Variable {
    expect(tokens.rank == 2, "decoder: tokens must be [B × T], found \(tokens.shape)")
    let (batch, length) = (tokens.shape[0], tokens.shape[1])
    return body.states(
      tokens.reshaped(to: [batch * length]),
      positions: (0..<batch * length).map { Int32($0 % length) },
      sequences: .whole(batch: batch, length: length, mask: .causal),
      observe: observe
    )
  }

  /// The logits of states; [… × D] to [… × V].
  public func logits(_ states: Variable) -> Variable {
    let logits = head(states)
    guard let cap = configuration.logitSoftCap else { return logits }
    return (logits * (1 / cap)).tanh() * cap
  }
}

/// The target of a token whose successor counts for nothing; torch's number.
let ignoredTarget: Int32 = -100

// MARK: - Sequences that go on

extension DecoderModel {
  /// The states before the head, for tokens that follow those in `cache`.
  ///
  /// - Parameters:
  ///   - tokens: ids in [0, V).
  ///   - cache: the tokens before; the new ones are added.
  ///   - observe: sees the values inside.
  /// - Returns: [T × D].
  public func hiddenStates(
    _ tokens: [Int32],
    cache: KeyValueCache,
    observe: ModelObserver? = nil
  ) -> Tensor<Float> {
    hiddenStates([(tokens, cache)], observe: observe)
  }

  /// The states before the head, for the next tokens of several sequences.
  ///
  /// - Parameters:
  ///   - sequences: for each the new tokens, of any number, and the cache of those before.
  ///   - observe: sees the values inside.
  /// - Returns: the rows of all sequences, one below the other; [ΣT × D].
  public func hiddenStates(
    _ sequences: [(tokens: [Int32], cache: KeyValueCache)],
    observe: ModelObserver? = nil
  ) -> Tensor<Float> {
    var spans: [ForwardPass.Span] = []
    var (ids, positions): ([Int32], [Int32]) = ([], [])
    for (tokens, cache) in sequences {
      cache.reserve(tokens.count)
      spans.append(.init(cache: cache, rows: ids.count..<ids.count + tokens.count))
      ids += tokens
      positions += (cache.count..<cache.count + tokens.count).map { Int32($0) }
    }
    let states = withoutGradients {
      body.states(
        Tensor(ids, shape: [ids.count]),
        positions: positions,
        sequences: .cached(spans),
        observe: observe
      )
    }
    for (tokens, cache) in sequences { cache.advance(by: tokens.count) }
    return states.value
  }

  /// The logits of states without gradients; [… × D] to [… × V].
  public func logits(_ states: Tensor<Float>) -> Tensor<Float> {
    withoutGradients { logits(Variable(states)).value }
  }

  /// The logits of every position, for tokens that follow those in `cache`; [T × V].
  public func callAsFunction(_ tokens: [Int32], cache: KeyValueCache) -> Tensor<Float> {
    logits(hiddenStates(tokens, cache: cache))
  }

  /// The logits after the last of `tokens`: what the next token is drawn from; [V].
  public func nextTokenLogits(_ tokens: [Int32], cache: KeyValueCache) -> Tensor<Float> {
    nextTokenLogits([(tokens, cache)])[0]
  }

  /// The logits after the last token of each sequence; [sequences × V].
  public func nextTokenLogits(
    _ sequences: [(tokens: [Int32], cache: KeyValueCache)]
  ) -> Tensor<Float> {
    expect(
      sequences.allSatisfy { !$0.tokens.isEmpty },
      "decoder: no token to continue from"
    )
    let states = hiddenStates(sequences)
    var ends: [Int32] = []
    for (tokens, _) in sequences { ends.append((ends.last ?? -1) + Int32(tokens.count)) }
    return logits(states.rows(ends))
  }
}
