public import Autograd
import Tensor

/// Self-attention with grouped key heads.
///
///     Q = rope(norm(x W_qᵀ)), K = rope(norm(x W_kᵀ)), V = x W_vᵀ
///     y = softmax(cap(scale · Q Kᵀ) + mask) V W_oᵀ
///
/// Norms of queries and keys, rotary positions, the soft cap and the window are there where the
/// configuration has them.
///
/// - Shapes: x and y [R × D]; Q [R × (H·d)]; K and V [R × (KV·d)].
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
  /// The norm of the queries.
  public let queryNorm: (any NormLayer)?
  /// The norm of the keys.
  public let keyNorm: (any NormLayer)?
  private let headWidth: Int
  private let normsHeads: Bool
  private let scale: Float
  private let softCap: Float?
  private let window: Int?
  private let block: Int

  /// The four projections.
  public static var linearLayers: [LinearLayerPath<SelfAttention>] {
    [("query", \.query), ("key", \.key), ("value", \.value), ("output", \.output)]
  }

  /// The attention of block `block`.
  init(_ block: Int, _ configuration: TransformerConfiguration, from parts: ModelParts) throws {
    let (shape, path) = (configuration, "blocks.\(block).attention.")
    let (queries, keys) = (shape.headCount * shape.headWidth, shape.keyHeadCount * shape.headWidth)
    let (width, isBiased) = (shape.hiddenWidth, shape.hasAttentionBias)
    query = try parts.linear(path + "query", queries, width, isBiased)
    key = try parts.linear(path + "key", keys, width, isBiased)
    value = try parts.linear(path + "value", keys, width, isBiased)
    output = try parts.linear(path + "output", width, queries, shape.hasAttentionOutputBias)
    normsHeads = shape.queryKeyNorm == .perHead
    if shape.queryKeyNorm == .none {
      (queryNorm, keyNorm) = (nil, nil)
    } else {
      queryNorm = try parts.norm(path + "queryNorm", normsHeads ? shape.headWidth : queries)
      keyNorm = try parts.norm(path + "keyNorm", normsHeads ? shape.headWidth : keys)
    }
    headWidth = shape.headWidth
    scale = shape.attentionScale(of: block)
    softCap = shape.attentionSoftCap
    window = shape.window(of: block)
    self.block = block
  }

  /// How the heads attend, for the kernel of a few rows.
  var shapeOfHeads: DecoderBlockKernel.Attention {
    DecoderBlockKernel.Attention(
      headCount: query.outputWidth / headWidth,
      keyHeadCount: key.outputWidth / headWidth,
      headWidth: headWidth,
      window: window,
      scale: scale,
      softCap: softCap
    )
  }

  /// Whether it looks back no further than a window.
  var hasWindow: Bool { window != nil }

  /// Whether the kernel of a few rows has heads of that width.
  var fitsKernel: Bool { headWidth % 4 == 0 }

  /// Notes the norms of heads; false for norms that the kernel of a few rows does not have.
  func addNorms(to norms: inout DecoderBlockKernel.Norms) -> Bool {
    guard normsHeads || queryNorm == nil && keyNorm == nil else { return false }
    return queryNorm.adds(to: &norms.query) && keyNorm.adds(to: &norms.key)
  }

  func callAsFunction(_ x: Variable, _ pass: ForwardPass) -> Variable {
    let made = InterleavedLinear.outputs(of: x, by: [query, key, value])
    let queries = placed(made[0], queryNorm, pass)
    let keys = placed(made[1], keyNorm, pass)
    let values = made[2]
    switch pass.sequences {
    case .whole(let batch, let length, let mask):
      var mask = mask
      mask.window = window
      let mixed = attention(
        queries: heads(queries, batch, length),
        keys: heads(keys, batch, length),
        values: heads(values, batch, length),
        layout: .positionsFirst,
        options: AttentionOptions(mask: mask, scale: scale, softCap: softCap)
      )  // [B × T × H × d]
      return output(mixed.reshaped(to: queries.shape))
    case .cached(let spans):
      return output(Variable(attended(queries.value, keys.value, values.value, spans)))
    }
  }

  /// Queries or keys normalized and turned by their positions; [R × (n·d)].
  private func placed(_ x: Variable, _ norm: (any NormLayer)?, _ pass: ForwardPass) -> Variable {
    let shape = x.shape
    let split: Shape = [1, shape[0], shape[1] / headWidth, headWidth]
    var x = x
    if let norm { x = normsHeads ? norm(x.reshaped(to: split)) : norm(x) }
    if let table = pass.rotary(hasWindow: window != nil) {
      x = x.reshaped(to: split).rotated(cosines: table.cosines, sines: table.sines)
    }
    return x.reshaped(to: shape)
  }

  private func heads(_ x: Variable, _ batch: Int, _ length: Int) -> Variable {
    x.reshaped(to: [batch, length, x.shape[1] / headWidth, headWidth])
  }

  /// The attention of the new rows of each sequence to its cached ones and to themselves.
  private func attended(
    _ queries: Tensor<Float>,
    _ keys: Tensor<Float>,
    _ values: Tensor<Float>,
    _ spans: [ForwardPass.Span]
  ) -> Tensor<Float> {
    let mixed = spans.map { span in
      let rows = span.rows
      span.cache.write(keys: keys[rows], values: values[rows], block: block)
      let stored = span.cache.stored(block: block)
      return queries[rows].attending(
        to: stored.keys,
        stored.values,
        firstPosition: span.cache.count,
        scale: scale,
        window: window,
        softCap: softCap
      )
    }
    return mixed.count == 1 ? mixed[0] : Tensor.concatenating(mixed)
  }
}
