public import Autograd
public import Tensor

/// A decoder whose blocks are built when they are asked for: what quantizers take.
///
/// - Shapes: samples are ids [S × T]; states [S × T × D]; logits [S × T × V].
public struct DecoderStack: BlockStack {
  /// The model without its blocks.
  private let ends: DecoderModel
  private let parts: ModelParts

  /// A stack over a configuration and a source of weights.
  public init(_ configuration: TransformerConfiguration, weights source: any WeightSource) throws {
    parts = ModelParts(configuration, source: source)
    ends = try DecoderModel(configuration, from: parts, hasBlocks: false)
  }

  /// How many blocks the model has.
  public var blockCount: Int { parts.configuration.blockCount }

  /// The states in front of the first block, [S × T × D].
  public func embedding(_ samples: Tensor<Int32>) -> Tensor<Float> {
    expect(samples.rank == 2, "decoder: tokens must be [S × T], found \(samples.shape)")
    let (batch, length) = (samples.shape[0], samples.shape[1])
    let rows = (0..<batch * length).map { Int32($0 % length) }
    let states = withoutGradients {
      ends.body.embedded(samples.reshaped(to: [batch * length]), rows).value
    }
    return states.reshaped(to: [batch, length, parts.configuration.hiddenWidth])
  }

  /// Block `index` with the weights of the source.
  public func block(_ index: Int) throws -> any StackedBlock {
    DecoderStackBlock(
      block: try TransformerBlock(index, parts.configuration, from: parts),
      body: ends.body
    )
  }

  /// The logits of the last block's states; [S × T × D] to [S × T × V].
  public func head(_ states: Variable) -> Variable {
    let width = parts.configuration.hiddenWidth
    let rows = states.reshaped(to: [states.count / width, width])
    let logits = ends.logits(ends.body.normalized(rows))
    let outer = Array(states.shape.extents.dropLast())
    return logits.reshaped(to: Shape(outer + [logits.shape[1]]))
  }

  /// The name of a block's tensor in the model's checkpoint.
  public func checkpointName(of path: String, inBlock index: Int) -> String {
    parts.configuration.family.names.tensor("blocks.\(index).\(path)")
  }
}

/// One block of a decoder over complete sequences.
private final class DecoderStackBlock: StackedBlock {
  private let block: TransformerBlock
  private let body: TransformerBody

  init(block: TransformerBlock, body: TransformerBody) { (self.block, self.body) = (block, body) }

  func visitParameters(_ visitor: ModuleVisitor) { block.visitParameters(visitor) }

  func callAsFunction(_ states: Variable) -> Variable {
    let (batch, length, width) = (states.shape[0], states.shape[1], states.shape[2])
    let pass = body.pass(
      .whole(batch: batch, length: length, mask: .causal),
      positions: (0..<batch * length).map { Int32($0 % length) }
    )
    return block(states.reshaped(to: [batch * length, width]), pass, depth: 0)
      .reshaped(to: states.shape)
  }

  var normedLayers: [NormedLayers] {
    let readers = block.feedForward is GatedFeedForward ? ["gate", "up"] : ["up"]
    return [
      normed(block.attentionNorms, ["query", "key", "value"].map { "attention." + $0 }),
      normed(block.feedForwardNorms, readers.map { "feedForward." + $0 }),
    ].compactMap { $0 }
  }

  private func normed(_ step: ResidualStep, _ layers: [String]) -> NormedLayers? {
    switch step.input {
    case let norm as RMSNorm:
      norm.weight.map { NormedLayers(scale: $0, scaleOffset: norm.weightOffset, layers: layers) }
    case let norm as LayerNorm:
      norm.weight.map { NormedLayers(scale: $0, shift: norm.bias, layers: layers) }
    default: nil
    }
  }
}
