import Autograd
import Tensor

/// Instructions of a batch as numbers.
struct InstructionBatch {
  /// Words [P × 2], or bytes [P × M], filled up with zeros.
  var ids: Tensor<Int32>
  /// The bytes of each instruction; nil for words.
  var lengths: [Int]?

  /// The number of instructions.
  var count: Int { ids.shape[0] }

  /// The instructions `places` alone.
  func rows(_ places: [Int]) -> InstructionBatch {
    InstructionBatch(
      ids: ids.rows(places.map { Int32($0) }),
      lengths: lengths.map { lengths in places.map { lengths[$0] } }
    )
  }
}

/// What a policy knows of its instructions.
struct EncodedInstructions {
  /// What scales and shifts the features of the image [P × d].
  let condition: Variable
  /// What stands before the response [P × M × d], without positions.
  let prefix: Variable
}

/// The bytes of instructions as one vector each: bidirectional blocks and a mean.
///
///     x = embedding(byte) + position;  L blocks of x += Attn(LN x), x += MLP(LN x);  c = mean LN x
///
/// - Choice: the response is preceded by one vector, a linear map of c.
final class ByteEncoder: LinearLayerOwner {
  let embedding: Embedding
  let positions: Parameter
  let blocks: [EncoderBlock]
  let norm: LayerNorm
  var prefix: any LinearLayer

  init(
    _ configuration: NativePolicyConfiguration,
    maximumLength: Int,
    blockCount: Int,
    using generator: inout Philox
  ) {
    let (d, heads) = (configuration.width, configuration.headCount)
    let start = Initializer.normal(deviation: 0.5)
    embedding = Embedding(count: 256, width: d, initializer: start, using: &generator)
    positions = Parameter(
      Initializer.normal(deviation: 0.1)([maximumLength, d], using: &generator)
    )
    var blocks: [EncoderBlock] = []
    for _ in 0..<blockCount { blocks.append(EncoderBlock(d, heads, using: &generator)) }
    self.blocks = blocks
    norm = LayerNorm(width: d)
    prefix = Linear(inputWidth: d, outputWidth: d, using: &generator)
  }

  /// The layers that may be replaced.
  static var linearLayers: [LinearLayerPath<ByteEncoder>] { [("prefix", \.prefix)] }

  func callAsFunction(_ batch: InstructionBatch) -> EncodedInstructions {
    let (count, length) = (batch.count, batch.ids.shape[1])
    let lengths = batch.lengths ?? Array(repeating: length, count: count)
    var x = embedding(batch.ids) + positions.variable.sliced(0..<length, axis: 0)  // [P, M, d]
    let mask = AttentionMask(keyLengths: lengths)
    for block in blocks { x = block(x, mask: mask) }
    let weights = Tensor<Float>(
      lengths.flatMap { filled in
        (0..<length).map { $0 < filled ? 1 / Float(filled) : 0 }
      },
      shape: [count, length, 1]
    )
    let condition = (norm(x) * Variable(weights)).sum(axes: 1)  // [P, d]
    let prefix = self.prefix(condition).expandingDimensions(at: 1)  // [P, 1, d]
    return EncodedInstructions(condition: condition, prefix: prefix)
  }
}

/// One bidirectional block, norms first.
final class EncoderBlock: LinearLayerOwner {
  let attentionNorm: LayerNorm
  var projection: any LinearLayer
  var output: any LinearLayer
  let feedForwardNorm: LayerNorm
  var up: any LinearLayer
  var down: any LinearLayer
  private let headCount: Int

  init(_ width: Int, _ headCount: Int, using generator: inout Philox) {
    self.headCount = headCount
    attentionNorm = LayerNorm(width: width)
    projection = Linear(inputWidth: width, outputWidth: 3 * width, using: &generator)
    output = Linear(inputWidth: width, outputWidth: width, using: &generator)
    feedForwardNorm = LayerNorm(width: width)
    up = Linear(inputWidth: width, outputWidth: 4 * width, using: &generator)
    down = Linear(inputWidth: 4 * width, outputWidth: width, using: &generator)
  }

  /// The layers that may be replaced.
  static var linearLayers: [LinearLayerPath<EncoderBlock>] {
    [("projection", \.projection), ("output", \.output), ("up", \.up), ("down", \.down)]
  }

  func callAsFunction(_ input: Variable, mask: AttentionMask) -> Variable {
    let mixed = attention(
      fused: projection(attentionNorm(input)),
      headCount: headCount,
      options: AttentionOptions(mask: mask)
    )
    let x = input + output(mixed)
    return x + down(up(feedForwardNorm(x)).gelu())
  }
}
