public import Autograd
import Tensor

/// One Pre-LN decoder block.
///
///     x = x + Attention(Norm(x))
///     x = x + FeedForward(Norm(x))
///
/// - Shapes: x [T × D].
public final class DecoderBlock: Module {
  /// The norm before attention.
  public let attentionNorm: RMSNorm
  /// Causal self-attention.
  public let attention: SelfAttention
  /// The norm before the feed-forward network.
  public let feedForwardNorm: RMSNorm
  /// The SwiGLU network.
  public let feedForward: GatedFeedForward

  /// The checkpoint names of a block's linear layers, in execution order.
  static let linearLayers = [
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
  ]

  /// The checkpoint names of a block's tensors.
  static func tensorNames(_ configuration: DecoderConfiguration) -> [String] {
    let linear = linearLayers.flatMap { name in
      let isBiased =
        name.hasPrefix("self_attn")
        ? configuration.hasAttentionBias : configuration.hasFeedForwardBias
      return isBiased ? [name + ".weight", name + ".bias"] : [name + ".weight"]
    }
    return ["input_layernorm.weight"] + linear + ["post_attention_layernorm.weight"]
  }

  /// The block `index` of a model, with the weights of `source`.
  public init(_ index: Int, _ configuration: DecoderConfiguration, source: any WeightSource) throws
  {
    let prefix = "model.layers.\(index)."
    let (width, inner) = (configuration.hiddenWidth, configuration.feedForwardWidth)
    let queryWidth = configuration.headCount * configuration.headWidth
    let keyWidth = configuration.keyHeadCount * configuration.headWidth

    func norm(_ name: String) throws -> RMSNorm {
      let weight = try source.tensor(prefix + name + ".weight", shape: [width])
      return RMSNorm(
        weight: Parameter(weight, isTrainable: false),
        epsilon: configuration.normEpsilon
      )
    }
    func projection(
      _ name: String,
      to output: Int,
      from input: Int,
      bias: Bool
    ) throws
      -> any LinearLayer
    {
      try source.linear(prefix + name, outputWidth: output, inputWidth: input, hasBias: bias)
    }

    let biased = configuration.hasAttentionBias
    attentionNorm = try norm("input_layernorm")
    attention = SelfAttention(
      query: try projection("self_attn.q_proj", to: queryWidth, from: width, bias: biased),
      key: try projection("self_attn.k_proj", to: keyWidth, from: width, bias: biased),
      value: try projection("self_attn.v_proj", to: keyWidth, from: width, bias: biased),
      output: try projection("self_attn.o_proj", to: width, from: queryWidth, bias: biased),
      headWidth: configuration.headWidth
    )
    feedForwardNorm = try norm("post_attention_layernorm")
    let feedForwardBiased = configuration.hasFeedForwardBias
    feedForward = GatedFeedForward(
      gate: try projection("mlp.gate_proj", to: inner, from: width, bias: feedForwardBiased),
      up: try projection("mlp.up_proj", to: inner, from: width, bias: feedForwardBiased),
      down: try projection("mlp.down_proj", to: width, from: inner, bias: feedForwardBiased)
    )
  }

  /// The residual stream after this block.
  func callAsFunction(
    _ input: Tensor<Float>,
    rotary: RotaryTable,
    cache: KeyValueCache,
    block: Int
  ) -> Tensor<Float> {
    var x = input
    x += attention(attentionNorm(x), rotary: rotary, cache: cache, block: block)
    x += feedForward(feedForwardNorm(x))
    return x
  }
}
