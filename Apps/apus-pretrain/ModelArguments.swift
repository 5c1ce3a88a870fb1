public import ArgumentParser
public import Transformer

/// The shape of a new model.
struct ModelArguments: ParsableArguments {
  @Option(help: "D, the width of the residual stream.")
  var width = 96

  @Option(help: "L, the blocks.")
  var blocks = 12

  @Option(help: "H, the query heads.")
  var heads = 4

  @Option(help: "KV, the key and value heads; all query heads by default.")
  var keyHeads: Int?

  @Option(help: "F, the width of the SwiGLU network.")
  var feedForward = 256

  @Option(help: ArgumentHelp("The context; the training length by default.", valueName: "tokens"))
  var context: Int?

  @Option(help: "The norm: rms, layer, layerWithoutBias or rmsOnePlus.")
  var norm = NormKind.rms

  @Flag(help: "Normalize each head of queries and keys.")
  var qkNorm = false

  @Flag(help: "Let the head share the embedding's matrix.")
  var tied = false

  func validate() throws {
    guard width > 0, blocks > 0, heads > 0, feedForward > 0, width % heads == 0 else {
      throw ValidationError("--width must be a multiple of --heads, and all sizes above 0")
    }
    guard width <= 1 << 20, feedForward <= 1 << 20, blocks <= 1024, context ?? 1 <= 1 << 30 else {
      throw ValidationError(
        "--width and --feed-forward end at 1,048,576, --blocks at 1,024, --context at 2³⁰"
      )
    }
    if let context, context < 1 { throw ValidationError("--context must be above 0") }
    guard (width / heads) % 2 == 0 else {
      throw ValidationError("--width / --heads is \(width / heads): rotary heads are even")
    }
    if let keyHeads, keyHeads < 1 || heads % keyHeads != 0 {
      throw ValidationError("--key-heads must divide --heads")
    }
  }

  func configuration(vocabularyCount: Int, length: Int) -> TransformerConfiguration {
    var shape = TransformerConfiguration(
      family: .apus,
      vocabularyCount: vocabularyCount,
      hiddenWidth: width,
      feedForwardWidth: feedForward,
      blockCount: blocks,
      headCount: heads,
      keyHeadCount: keyHeads,
      contextLength: context ?? length
    )
    shape.norm = norm
    shape.queryKeyNorm = qkNorm ? .perHead : .none
    shape.tiesEmbedding = tied
    return shape
  }
}

extension NormKind: ExpressibleByArgument {}
extension NormPlacement: ExpressibleByArgument {}

extension TransformerConfiguration {
  /// Takes the family of released models that has this shape, if there is one: other tools know it.
  mutating func useReleasedFamily() {
    guard placement == .pre, !normalizesEmbedding, norm == .rms else { return }
    family = queryKeyNorm == .perHead ? .qwen3 : .llama
  }
}
