public import Tensor

/// Attention of several heads between four projections, without a T × S buffer.
///
///     Q = x W_qᵀ + b_q,  K = c W_kᵀ + b_k,  V = c W_vᵀ + b_v
///     y = softmax(Q Kᵀ / √d + mask) V W_oᵀ + b_o
///
/// The context c is the input x itself, or another sequence: cross-attention. Parameters are named
/// `q_proj`, `k_proj`, `v_proj` and `out_proj`, each with `.weight` and `.bias`. PyTorch's
/// `in_proj_weight` is the first three on top of each other; its dropout of probabilities is missing.
///
/// - Shapes: x and y [B × T × D], c [B × S × C]; W_q [(H·d) × D], W_k and W_v [(KV·d) × C],
///   W_o [D × (H·d)].
/// - Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2; grouped heads: Ainslie et
///   al. 2023, "GQA".
public final class MultiHeadAttention: LinearLayerOwner, Layer {
  /// W_q and b_q.
  public var query: any LinearLayer
  /// W_k and b_k.
  public var key: any LinearLayer
  /// W_v and b_v.
  public var value: any LinearLayer
  /// W_o and b_o.
  public var output: any LinearLayer
  /// Widths, heads and positions.
  public let configuration: Configuration
  /// The rotary tables of the last extents, which mostly are the next ones too.
  private var tables: (first: Int, count: Int, table: RotaryTable)?

  /// The four projections.
  public static var linearLayers: [LinearLayerPath<MultiHeadAttention>] {
    [("q_proj", \.query), ("k_proj", \.key), ("v_proj", \.value), ("out_proj", \.output)]
  }

  /// A layer over four projections.
  ///
  /// - Parameters:
  ///   - query: W_q [(H·d) × D].
  ///   - key: W_k [(KV·d) × C].
  ///   - value: W_v [(KV·d) × C].
  ///   - output: W_o [D × (H·d)].
  ///   - configuration: whose widths the projections must have.
  public init(
    query: any LinearLayer,
    key: any LinearLayer,
    value: any LinearLayer,
    output: any LinearLayer,
    configuration: Configuration
  ) {
    configuration.check()
    for (name, layer, expected) in [
      ("query", query, configuration.queryShape), ("key", key, configuration.keyShape),
      ("value", value, configuration.keyShape), ("output", output, configuration.outputShape),
    ] {
      let found: Shape = [layer.outputWidth, layer.inputWidth]
      expect(
        found == expected,
        "multi-head attention: the \(name) projection does not fit, \(found) · \(expected)"
      )
    }
    (self.query, self.key, self.value, self.output) = (query, key, value, output)
    self.configuration = configuration
  }

  /// A layer that starts from random numbers, as torch's does.
  ///
  /// W_q, W_k and W_v start from Xavier's U(±√(6 / (inputs + outputs))), whose outputs are those of
  /// all three when they read the same width; W_o starts as `Linear` does, and the biases at 0.
  public convenience init(_ configuration: Configuration, using generator: inout Philox) {
    configuration.check()
    let (q, k) = (configuration.queryShape, configuration.keyShape)
    let bound = (6 / Float(q[1] + q[0] + 2 * k[0])).squareRoot()
    let input: Initializer =
      q[1] == k[1] ? .uniform(from: -bound, to: bound) : .xavierUniform()
    func projection(_ shape: Shape, _ initializer: Initializer) -> Linear {
      Linear(
        weight: Parameter(initializer(shape, using: &generator)),
        bias: configuration.hasBias ? Parameter(.zeros([shape[0]])) : nil
      )
    }
    self.init(
      query: projection(q, input),
      key: projection(k, input),
      value: projection(k, input),
      output: projection(configuration.outputShape, .layerDefault),
      configuration: configuration
    )
  }

  /// Names the projections as PyTorch's models do.
  public func visitParameters(_ visitor: ModuleVisitor) {
    visitor.visit("q_proj", query)
    visitor.visit("k_proj", key)
    visitor.visit("v_proj", value)
    visitor.visit("out_proj", output)
  }

  /// The attention of a sequence to itself; [B × T × D] both.
  public func callAsFunction(_ input: Variable) -> Variable { self(input, mask: .none) }

  /// The attention of a sequence to a context.
  ///
  /// The last query stands at the last key, for the causal mask and for rotary positions. Sequences
  /// of unequal lengths are told by `AttentionMask(keyLengths:)`; a mask of keys [B × S] by
  /// `AttentionMask(pairs: .allowed(keys.reshaped(to: [B, 1, 1, S])))`, true where a key counts.
  ///
  /// - Parameters:
  ///   - input: [B × T × D].
  ///   - context: what is attended to, [B × S × C]; nil for the input.
  ///   - mask: restrictions beside the configuration's.
  /// - Returns: [B × T × D].
  public func callAsFunction(
    _ input: Variable,
    context: Variable? = nil,
    mask: AttentionMask = .none
  ) -> Variable {
    let context = context ?? input
    checkShapes(input.shape, context.shape)
    let (rows, keys) = (input.shape[1], context.shape[1])
    var mask = mask
    mask.isCausal = mask.isCausal || configuration.isCausal
    let mixed = attention(
      queries: heads(query(input), first: keys - rows),
      keys: heads(key(context), first: 0),
      values: heads(value(context), first: nil),
      layout: .positionsFirst,
      options: AttentionOptions(mask: mask)
    )  // [B, T, H, d]
    return output(mixed.reshaped(to: [input.shape[0], rows, configuration.queryShape[0]]))
  }

  private func checkShapes(_ input: Shape, _ context: Shape) {
    expect(
      input.rank == 3 && context.rank == 3 && input[0] == context[0]
        && input[2] == configuration.width && context[2] == configuration.contextWidth,
      "multi-head attention: shapes do not fit, \(input) · \(context) for widths "
        + "\(configuration.width) · \(configuration.contextWidth)"
    )
  }

  /// The heads [B × T × n × d] of a projection [B × T × (n·d)], turned by their positions from
  /// `first` on; nil turns nothing.
  private func heads(_ projected: Variable, first: Int?) -> Variable {
    let (shape, width) = (projected.shape, configuration.headWidth)
    let heads = projected.reshaped(to: [shape[0], shape[1], shape[2] / width, width])
    guard let first, let rotary = configuration.rotary else { return heads }
    if tables?.first != first || tables?.count != shape[1] {
      tables = (first, shape[1], rotary.table(first: first, count: shape[1]))
    }
    guard let table = tables?.table else { return heads }
    return heads.rotated(cosines: table.cosines, sines: table.sines)
  }
}
