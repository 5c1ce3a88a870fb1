import Autograd
import Checkpoints
import Tensor
import Transformer

/// A block of attention and SwiGLU with any placement of norms, as the fixtures have it.
final class PlacementBlock: Module {
  let attention: MultiHeadAttention
  let gate: Linear
  let up: Linear
  let down: Linear
  let attentionStep: ResidualStep
  let feedForwardStep: ResidualStep

  struct Shape {
    var width: Int
    var hidden: Int
    var heads: Int
    var rotaryBase: Float
  }

  init(_ placement: NormPlacement, _ norm: NormKind, _ shape: Shape, using generator: inout Philox)
  {
    func linear(_ inputs: Int, _ outputs: Int) -> Linear {
      Linear(inputWidth: inputs, outputWidth: outputs, hasBias: false, using: &generator)
    }
    let rotary = RotaryEmbedding(headWidth: shape.width / shape.heads, base: shape.rotaryBase)
    attention = MultiHeadAttention(
      MultiHeadAttention.Configuration(
        width: shape.width,
        headCount: shape.heads,
        isCausal: true,
        hasBias: false,
        rotary: rotary
      ),
      using: &generator
    )
    (gate, up) = (linear(shape.width, shape.hidden), linear(shape.width, shape.hidden))
    down = linear(shape.hidden, shape.width)
    attentionStep = ResidualStep(placement, norm: norm, width: shape.width)
    feedForwardStep = ResidualStep(placement, norm: norm, width: shape.width)
  }

  func callAsFunction(_ x: Variable) -> Variable {
    let middle = attentionStep(x) { attention($0) }
    return feedForwardStep(middle) { down(gate($0).gated(.silu, by: up($0))) }
  }

  /// The parameters under the names of the fixtures.
  var named: [(name: String, parameter: Parameter)] {
    namedParameters().map { entry in
      var name = entry.name
      for (ours, theirs) in [
        ("attention.out_proj", "attn.o_proj"), ("attention.", "attn."), ("gate.", "mlp.gate_proj."),
        ("up.", "mlp.up_proj."), ("down.", "mlp.down_proj."), ("attentionStep.", "attn_"),
        ("feedForwardStep.", "mlp_"),
      ] where name.hasPrefix(ours) {
        name = theirs + name.dropFirst(ours.count)
        break
      }
      return (name, entry.parameter)
    }
  }
}

/// A language model of such blocks.
final class PlacementModel: Module {
  let embedding: Embedding
  let embeddingNorm: RMSNorm?
  let blocks: [PlacementBlock]
  let finalNorm: RMSNorm?
  let head: Linear

  init(_ arguments: JSONValue, hasEmbeddingNorm: Bool, hasFinalNorm: Bool) throws {
    func integer(_ key: String) -> Int { arguments[key]?.intValue ?? 0 }
    var generator = Philox(seed: 0)
    let width = integer("hidden")
    let shape = PlacementBlock.Shape(
      width: width,
      hidden: integer("ff"),
      heads: integer("heads"),
      rotaryBase: Float(arguments["rope_base"]?.doubleValue ?? 0)
    )
    let placement = NormPlacement(rawValue: arguments["placement"]?.stringValue ?? "") ?? .pre
    embedding = Embedding(count: integer("vocab"), width: width, using: &generator)
    embeddingNorm = hasEmbeddingNorm ? RMSNorm(width: width, epsilon: 1e-5) : nil
    var blocks: [PlacementBlock] = []
    for _ in 0..<integer("layers") {
      blocks.append(PlacementBlock(placement, .rms, shape, using: &generator))
    }
    self.blocks = blocks
    finalNorm = hasFinalNorm ? RMSNorm(width: width, epsilon: 1e-5) : nil
    head = Linear(
      inputWidth: width,
      outputWidth: integer("vocab"),
      hasBias: false,
      using: &generator
    )
  }

  /// The logits of ids [B × T]; `observe` sees the stream after the embedding and each block.
  func callAsFunction(_ ids: Tensor<Int32>, observe: (Tensor<Float>) -> Void = { _ in }) -> Variable
  {
    var x = embedding(ids)
    if let embeddingNorm { x = embeddingNorm(x) }
    observe(x.value)
    for block in blocks {
      x = block(x)
      observe(x.value)
    }
    if let finalNorm { x = finalNorm(x) }
    return head(x)
  }

  var named: [(name: String, parameter: Parameter)] {
    var named: [(name: String, parameter: Parameter)] = [("embed.weight", embedding.weight)]
    if let weight = embeddingNorm?.weight { named.append(("embed_norm.weight", weight)) }
    for (index, block) in blocks.enumerated() {
      named += block.named.map { ("layers.\(index).\($0.name)", $0.parameter) }
    }
    if let weight = finalNorm?.weight { named.append(("final_norm.weight", weight)) }
    return named + [("head.weight", head.weight)]
  }
}
