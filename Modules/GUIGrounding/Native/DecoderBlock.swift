import Autograd
import Tensor

/// The keys and values of the image for one block.
struct ImageMemory {
  /// [P × S × H × d/H].
  let keys: Variable
  /// [P × S × H × d/H].
  let values: Variable
}

/// One block of the decoder, norms first.
///
///     x += SelfAttention(LN x);  x += CrossAttention(LN x, z);  x += W₂ GELU(W₁ LN x)
///
/// Responses to one image lie side by side, so all of them attend to it in one product: its keys and
/// values are never repeated. Linear layers may hold codes instead of floats.
///
/// - Shapes: x [N × T × d] with N = P · G, z [P × S × d].
final class DecoderBlock: LinearLayerOwner {
  let selfNorm: LayerNorm
  var projection: any LinearLayer
  var selfOutput: any LinearLayer
  let crossNorm: LayerNorm
  var crossQuery: any LinearLayer
  var crossKey: any LinearLayer
  var crossValue: any LinearLayer
  var crossOutput: any LinearLayer
  let feedForwardNorm: LayerNorm
  var up: any LinearLayer
  var down: any LinearLayer
  private let headCount: Int

  init(_ width: Int, _ headCount: Int, using generator: inout Philox) {
    self.headCount = headCount
    func linear(_ from: Int, _ to: Int) -> Linear {
      Linear(inputWidth: from, outputWidth: to, using: &generator)
    }
    selfNorm = LayerNorm(width: width)
    projection = linear(width, 3 * width)
    selfOutput = linear(width, width)
    crossNorm = LayerNorm(width: width)
    crossQuery = linear(width, width)
    crossKey = linear(width, width)
    crossValue = linear(width, width)
    crossOutput = linear(width, width)
    feedForwardNorm = LayerNorm(width: width)
    up = linear(width, 4 * width)
    down = linear(4 * width, width)
  }

  /// The layers that may be replaced.
  static var linearLayers: [LinearLayerPath<DecoderBlock>] {
    [
      ("projection", \.projection), ("selfOutput", \.selfOutput), ("crossQuery", \.crossQuery),
      ("crossKey", \.crossKey), ("crossValue", \.crossValue), ("crossOutput", \.crossOutput),
      ("up", \.up), ("down", \.down),
    ]
  }

  /// What `crossKey` and `crossValue` made of grid tokens [P × S × d], by heads.
  func memory(keys: Variable, values: Variable) -> ImageMemory {
    let (prompts, cells, width) = (keys.shape[0], keys.shape[1], keys.shape[2])
    let shape: Shape = [prompts, cells, headCount, width / headCount]
    return ImageMemory(keys: keys.reshaped(to: shape), values: values.reshaped(to: shape))
  }

  /// All positions at once.
  func callAsFunction(_ x: Variable, memory: ImageMemory, mask: AttentionMask) -> Variable {
    finish(x, mixed: attend(projection(selfNorm(x)), mask), memory)
  }

  /// The positions that all responses to an image share, which see each other; fills the cache.
  func prefix(_ x: Variable, memory: ImageMemory, cache: inout DecoderCache) -> Variable {
    let fused = projection(selfNorm(x))  // [P, M, 3d]
    cache.start(with: fused.value)
    return finish(x, mixed: attend(fused, .none), memory)
  }

  /// The next position of every response [N × 1 × d]; adds to the cache.
  func step(_ x: Variable, memory: ImageMemory, cache: inout DecoderCache) -> Variable {
    let fused = projection(selfNorm(x))  // [N, 1, 3d]
    let queries = cache.append(fused.value)
    let mixed = attention(
      queries: Variable(queries),
      keys: Variable(cache.keys),
      values: Variable(cache.values),
      layout: .positionsFirst,
      options: AttentionOptions(mask: cache.mask)
    )
    return finish(x, mixed: mixed.reshaped(to: x.shape), memory)
  }

  private func attend(_ fused: Variable, _ mask: AttentionMask) -> Variable {
    attention(
      fused: fused,
      headCount: headCount,
      options: AttentionOptions(mask: mask)
    )
  }

  /// Everything behind the mixing of positions.
  private func finish(_ x: Variable, mixed: Variable, _ memory: ImageMemory) -> Variable {
    let (afterSelf, crossInput) = selfOutput(mixed).addingAndLayerNormalizing(
      x,
      weight: crossNorm.weight?.variable,
      bias: crossNorm.bias?.variable,
      epsilon: crossNorm.epsilon
    )
    let keys = memory.keys.shape
    let rows = x.count / (keys[0] * keys[2] * keys[3])
    let queries = crossQuery(crossInput).reshaped(to: [keys[0], rows, keys[2], keys[3]])
    let seen = attention(
      queries: queries,
      keys: memory.keys,
      values: memory.values,
      layout: .positionsFirst
    )
    let (afterCross, hidden) = crossOutput(seen.reshaped(to: x.shape)).addingAndLayerNormalizing(
      afterSelf,
      weight: feedForwardNorm.weight?.variable,
      bias: feedForwardNorm.bias?.variable,
      epsilon: feedForwardNorm.epsilon
    )
    return afterCross + down(up(hidden).gelu())
  }
}
