public import Autograd

/// One block of a transformer: attention, then the feed-forward network, each inside a residual step.
///
///     x = step(x, Attention)
///     x = step(x, FeedForward)
///
/// `NormPlacement` says what a step is: Post-LN, Pre-LN, Peri-LN or norms of outputs alone.
///
/// - Shapes: x [R × D].
public final class TransformerBlock: Module {
  /// The norms around attention.
  public let attentionNorms: ResidualStep
  /// Self-attention.
  public let attention: SelfAttention
  /// The norms around the feed-forward network.
  public let feedForwardNorms: ResidualStep
  /// The network.
  public let feedForward: any FeedForward
  /// The block as one kernel, as it was when the last token was written.
  var decodingPlan: DecodingPlan?

  init(_ index: Int, _ configuration: TransformerConfiguration, from parts: ModelParts) throws {
    let (shape, path) = (configuration, "blocks.\(index).")
    let (width, inner) = (shape.hiddenWidth, shape.feedForwardWidth)
    attentionNorms = try ResidualStep(shape.placement) { name in
      try parts.norm(path + "attentionNorms." + name, width)
    }
    attention = try SelfAttention(index, shape, from: parts)
    feedForwardNorms = try ResidualStep(shape.placement) { name in
      try parts.norm(path + "feedForwardNorms." + name, width)
    }
    func linear(_ name: String, _ outputs: Int, _ inputs: Int) throws -> any LinearLayer {
      try parts.linear(path + "feedForward." + name, outputs, inputs, shape.hasFeedForwardBias)
    }
    switch shape.feedForward {
    case .gated(let function):
      feedForward = GatedFeedForward(
        gate: try linear("gate", inner, width),
        up: try linear("up", inner, width),
        down: try linear("down", width, inner),
        function: function
      )
    case .plain(let function):
      feedForward = PlainFeedForward(
        up: try linear("up", inner, width),
        down: try linear("down", width, inner),
        function: function
      )
    }
  }

  /// The residual stream after this block.
  func callAsFunction(_ x: Variable, _ pass: ForwardPass, depth: Int) -> Variable {
    let middle = attentionNorms(x) { x in
      let written = attention(x, pass)
      pass.observe?(.attention(block: depth), written)
      return written
    }
    return feedForwardNorms(middle) { x in
      let hidden = feedForward.hidden(x)
      pass.observe?(.feedForwardHidden(block: depth), hidden)
      let written = feedForward.down(hidden)
      pass.observe?(.feedForward(block: depth), written)
      return written
    }
  }
}
