public import Autograd
public import Tensor

/// An encoder: every token sees every other.
///
/// - Source: Devlin et al. 2019, "BERT"; sentence embeddings: Reimers and Gurevych 2019.
public final class EncoderModel: Module {
  /// The shape of the model.
  public var configuration: TransformerConfiguration { body.configuration }
  /// Embedding and blocks.
  public let body: TransformerBody
  /// The dense layer over the first token's state, where the model has one.
  public let pooler: (any LinearLayer)?

  /// Builds the model from a configuration and a source of weights.
  public init(_ configuration: TransformerConfiguration, weights source: any WeightSource) throws {
    expect(!configuration.isCausal, "encoder: the configuration is a decoder's")
    let parts = ModelParts(configuration, source: source)
    body = try TransformerBody(configuration, from: parts)
    let width = configuration.hiddenWidth
    pooler = configuration.hasPooler ? try parts.linear("pooler", width, width, true) : nil
  }

  /// The body's names, and `pooler`.
  public func visitParameters(_ visitor: ModuleVisitor) {
    body.visitParameters(visitor)
    visitor.visit("pooler", pooler)
  }

  /// The states of all tokens.
  ///
  /// - Parameters:
  ///   - tokens: ids [B × T].
  ///   - mask: 1 where a token counts and 0 where it is padding, [B × T]; nil if all count.
  ///   - tokenTypes: the segment of each token, [B × T]; nil for the first.
  ///   - observe: sees the values inside.
  /// - Returns: [B × T × D], rows of padding included.
  public func callAsFunction(
    _ tokens: Tensor<Int32>,
    mask: Tensor<Int32>? = nil,
    tokenTypes: Tensor<Int32>? = nil,
    observe: ModelObserver? = nil
  ) -> Variable {
    expect(tokens.rank == 2, "encoder: tokens must be [B × T], found \(tokens.shape)")
    let (batch, length) = (tokens.shape[0], tokens.shape[1])
    expect(
      length <= configuration.contextLength,
      "encoder: \(length) tokens exceed the context of \(configuration.contextLength)"
    )
    let keys = mask.map { mask in
      AttentionMask(
        pairs: .allowed(Tensor(mask.elements.map { $0 != 0 }, shape: [batch, 1, 1, length]))
      )
    }
    let states = body.states(
      tokens.reshaped(to: [batch * length]),
      positions: (0..<batch * length).map { Int32($0 % length) },
      tokenTypes: tokenTypes?.reshaped(to: [batch * length]),
      sequences: .whole(batch: batch, length: length, mask: keys ?? .none),
      observe: observe
    )
    return states.reshaped(to: [batch, length, configuration.hiddenWidth])
  }

  /// tanh of the dense layer over the first token's state: [B × T × D] to [B × D]; nil without a
  /// pooler.
  public func pooled(_ states: Variable) -> Variable? {
    pooler.map { $0(states.sliced(0..<1, axis: 1).squeezed(axis: 1)).tanh() }
  }

  /// The mean of the states of the tokens that count, at length 1: one vector for each text.
  ///
  /// - Parameters:
  ///   - texts: the ids of each text, special tokens included.
  ///   - padding: the id that fills up shorter texts.
  /// - Returns: [texts × D].
  public func sentenceEmbeddings(_ texts: [[Int32]], padding: Int32 = 0) -> Tensor<Float> {
    let length = max(texts.map(\.count).max() ?? 0, 1)
    let ids = texts.flatMap { $0 + Array(repeating: padding, count: length - $0.count) }
    let counts = texts.flatMap { text in (0..<length).map { Int32($0 < text.count ? 1 : 0) } }
    let mask = Tensor(counts, shape: [texts.count, length])
    let states = withoutGradients {
      self(Tensor(ids, shape: [texts.count, length]), mask: mask).value
    }
    return Self.sentenceEmbeddings(states, mask: mask)
  }

  /// The masked mean of states [B × T × D] by a mask [B × T], each row at length 1; [B × D].
  public static func sentenceEmbeddings(
    _ states: Tensor<Float>,
    mask: Tensor<Int32>
  ) -> Tensor<Float> {
    let (batch, length, width) = (states.shape[0], states.shape[1], states.shape[2])
    return Tensor(uninitialized: [batch, width]) { target in
      states.withUnsafeElements { states in
        mask.withUnsafeElements { mask in
          for row in 0..<batch {
            for column in 0..<width {
              var sum: Float = 0
              for token in 0..<length where mask[row * length + token] != 0 {
                sum += states[(row * length + token) * width + column]
              }
              target[row * width + column] = sum
            }
            // The mean and the sum point the same way, so the count does not matter.
            let values = target[row * width..<(row + 1) * width]
            let norm = values.reduce(Float(0)) { $0 + $1 * $1 }.squareRoot()
            for column in 0..<width { target[row * width + column] /= Swift.max(norm, 1e-12) }
          }
        }
      }
    }
  }
}
