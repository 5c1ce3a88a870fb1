import Tensor

/// The extents of a Transformer decoder, and the names of its parameters.
public struct DecoderShape: Codable, Hashable, Sendable {
  /// The kinds of feed-forward layer.
  public enum FeedForward: String, Codable, Hashable, Sendable {
    /// Two layers.
    case plain
    /// A gate beside the first layer.
    case gated
  }

  /// How positions are told.
  public enum Positions: Codable, Hashable, Sendable {
    /// Rotary positions, which turn index i of a head together with i + d/2.
    case rotary
    /// A learned table of this many rows.
    case learned(Int)
  }

  /// The rows of the embedding.
  public var vocabularySize: Int
  /// The width of the residual stream.
  public var width: Int
  /// The blocks.
  public var blockCount: Int
  /// The heads of queries.
  public var headCount: Int
  /// The heads of keys and values.
  public var keyHeadCount: Int
  /// The width of a head.
  public var headWidth: Int
  /// The width inside the feed-forward layers.
  public var hiddenWidth: Int
  /// The kind of feed-forward layer.
  public var feedForward: FeedForward
  /// How positions are told.
  public var positions: Positions
  /// Whether linear layers and norms have biases.
  public var hasBias: Bool
  /// Whether the head shares the embedding's rows.
  public var tiesEmbedding: Bool
  /// The tokens of a sample.
  public var tokenCount: Int

  /// A shape; without the optional numbers each head of queries has its own keys, and heads fill the
  /// width.
  public init(
    vocabularySize: Int,
    width: Int,
    blockCount: Int,
    headCount: Int,
    keyHeadCount: Int? = nil,
    headWidth: Int? = nil,
    hiddenWidth: Int,
    feedForward: FeedForward = .gated,
    positions: Positions = .rotary,
    hasBias: Bool = false,
    tiesEmbedding: Bool = true,
    tokenCount: Int
  ) {
    expect(
      headCount > 0 && (headWidth != nil || width % headCount == 0),
      "decoder shape: \(headCount) heads do not divide a width of \(width)"
    )
    self.vocabularySize = vocabularySize
    self.width = width
    self.blockCount = blockCount
    self.headCount = headCount
    self.keyHeadCount = keyHeadCount ?? headCount
    self.headWidth = headWidth ?? width / headCount
    self.hiddenWidth = hiddenWidth
    self.feedForward = feedForward
    self.positions = positions
    self.hasBias = hasBias
    self.tiesEmbedding = tiesEmbedding
    self.tokenCount = tokenCount
  }
}

/// The names of a decoder's parameters; by default those that Llama's checkpoints use.
public struct DecoderNames: Codable, Hashable, Sendable {
  /// The embedding's table.
  public var embedding = "model.embed_tokens.weight"
  /// The table of learned positions.
  public var positions = "model.embed_positions.weight"
  /// What stands in front of a block's number.
  public var blocks = "model.layers."
  /// The norm before attention, in a block.
  public var attentionNorm = "input_layernorm"
  /// The four projections of attention, in a block: q, k, v, output.
  public var attention = [
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
  ]
  /// The norm before the feed-forward layer, in a block.
  public var feedForwardNorm = "post_attention_layernorm"
  /// The gate (not used by plain layers), the first and the second layer, in a block.
  public var feedForward = ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
  /// The last norm.
  public var norm = "model.norm"
  /// The head.
  public var head = "lm_head.weight"

  /// The default names.
  public init() {}
}

extension ModelDescription {
  /// The description of a Transformer decoder.
  ///
  /// The residual stream is one group (`stream`), the inside of all heads another (`head`; pairs that
  /// rotary positions turn together stay together), each block's hidden layer one of its own.
  public static func decoder(
    _ shape: DecoderShape,
    names: DecoderNames = DecoderNames()
  ) -> ModelDescription {
    var writer = DecoderWriter(shape: shape, names: names)
    writer.writeStem()
    for block in 0..<shape.blockCount { writer.writeBlock(block) }
    writer.writeHead()
    let halves = shape.positions == .rotary ? 2 : 1
    expect(shape.headWidth % halves == 0, "decoder shape: rotary heads of \(shape.headWidth)")
    let groups =
      [
        ChannelGroup("stream", count: shape.width),
        ChannelGroup("head", count: shape.headWidth / halves),
      ] + (0..<shape.blockCount).map { ChannelGroup("hidden.\($0)", count: shape.hiddenWidth) }
    return checked(
      groups: groups,
      parameters: writer.parameters,
      layers: writer.layers,
      blockCount: shape.blockCount
    )
  }
}

/// Writes the parameters and layers of a decoder in order.
private struct DecoderWriter {
  let shape: DecoderShape
  let names: DecoderNames
  var parameters: [ParameterDescription] = []
  var layers: [LayerDescription] = []

  private let stream = AxisWiring.channels("stream")
  private var vocabulary: AxisWiring { .whole(shape.vocabularySize) }

  init(shape: DecoderShape, names: DecoderNames) {
    self.shape = shape
    self.names = names
  }

  private func heads(_ count: Int) -> AxisWiring {
    .channels("head", blocks: count * (shape.positions == .rotary ? 2 : 1))
  }

  mutating func writeStem() {
    parameters.append(
      ParameterDescription(
        names.embedding,
        axes: [vocabulary, stream],
        hasClassRows: shape.tiesEmbedding
      )
    )
    layer([names.embedding], .lookup, stream, .stem)
    if case .learned(let rows) = shape.positions {
      parameters.append(ParameterDescription(names.positions, axes: [.whole(rows), stream]))
    }
  }

  mutating func writeBlock(_ index: Int) {
    let (prefix, role) = ("\(names.blocks)\(index).", ParameterRole.block(index))
    let (queries, keys) = (heads(shape.headCount), heads(shape.keyHeadCount))
    let hidden = AxisWiring.channels("hidden.\(index)")
    norm(prefix + names.attentionNorm, role)
    for (name, output) in zip(names.attention, [queries, keys, keys]) {
      linear(prefix + name, output, stream, role)
    }
    layer([], .attention, queries, role)
    linear(prefix + names.attention[3], stream, queries, role)
    norm(prefix + names.feedForwardNorm, role)
    if shape.feedForward == .gated { linear(prefix + names.feedForward[0], hidden, stream, role) }
    linear(prefix + names.feedForward[1], hidden, stream, role)
    linear(prefix + names.feedForward[2], stream, hidden, role)
  }

  mutating func writeHead() {
    norm(names.norm, .head)
    if !shape.tiesEmbedding {
      parameters.append(
        ParameterDescription(
          names.head,
          axes: [vocabulary, stream],
          role: .head,
          hasClassRows: true
        )
      )
    }
    layer([shape.tiesEmbedding ? names.embedding : names.head], .product, vocabulary, .head)
  }

  private mutating func linear(
    _ name: String,
    _ output: AxisWiring,
    _ input: AxisWiring,
    _ role: ParameterRole
  ) {
    parameters.append(ParameterDescription(name + ".weight", axes: [output, input], role: role))
    if shape.hasBias {
      parameters.append(ParameterDescription(name + ".bias", axes: [output], role: role))
    }
    layer([name + ".weight"], .product, output, role)
  }

  private mutating func norm(_ name: String, _ role: ParameterRole) {
    let parts = shape.hasBias ? [".weight", ".bias"] : [".weight"]
    for part in parts {
      parameters.append(ParameterDescription(name + part, axes: [stream], role: role))
    }
    layer(parts.map { name + $0 }, .elementwise, stream, role)
  }

  private mutating func layer(
    _ parameters: [String],
    _ work: LayerDescription.Work,
    _ output: AxisWiring,
    _ role: ParameterRole
  ) {
    layers.append(
      LayerDescription(
        parameters,
        work: work,
        positions: shape.tokenCount,
        output: output,
        role: role
      )
    )
  }
}
