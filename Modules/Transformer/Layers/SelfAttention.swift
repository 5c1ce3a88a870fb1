public import Autograd
import Tensor

/// Causal self-attention with grouped key heads and rotary positions.
///
///     Q = rope(x W_qᵀ), K = rope(x W_kᵀ), V = x W_vᵀ
///     y = softmax(Q Kᵀ / √d + causal mask) V W_oᵀ
///
/// - Shapes: x and y [T × D]; Q [T × (H·d)]; K and V [T × (KV·d)].
/// - Source: Vaswani et al. 2017, section 3.2; Ainslie et al. 2023, "GQA".
public final class SelfAttention: LinearLayerOwner {
  /// W_q [(H·d) × D].
  public var query: any LinearLayer
  /// W_k [(KV·d) × D].
  public var key: any LinearLayer
  /// W_v [(KV·d) × D].
  public var value: any LinearLayer
  /// W_o [D × (H·d)].
  public var output: any LinearLayer
  /// d.
  public let headWidth: Int

  /// The four projections.
  public static var linearLayers: [LinearLayerPath<SelfAttention>] {
    [("query", \.query), ("key", \.key), ("value", \.value), ("output", \.output)]
  }

  /// Attention over four projections.
  public init(
    query: any LinearLayer,
    key: any LinearLayer,
    value: any LinearLayer,
    output: any LinearLayer,
    headWidth: Int
  ) {
    self.query = query
    self.key = key
    self.value = value
    self.output = output
    self.headWidth = headWidth
  }

  /// The attention of new tokens to themselves and to the cached ones.
  func callAsFunction(
    _ input: Tensor<Float>,
    rotary: RotaryTable,
    cache: KeyValueCache,
    block: Int
  ) -> Tensor<Float> {
    let queries = rotary(query(input))  // [T × (H·d)]
    cache.write(keys: rotary(key(input)), values: value(input), block: block)
    let stored = cache.blocks[block]
    let mixed = queries.attending(
      to: stored.keys,
      stored.values,
      firstPosition: cache.count,
      scale: 1 / Float(headWidth).squareRoot()
    )  // [T × (H·d)]
    return output(mixed)
  }
}
