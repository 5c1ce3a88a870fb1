import Tensor

extension MultiHeadAttention {
  /// Widths, heads and positions of an attention layer.
  public struct Configuration: Codable, Hashable, Sendable {
    /// D, the width of the input and of the result.
    public var width: Int
    /// H, the heads of queries.
    public var headCount: Int
    /// KV, the heads of keys and values; it divides H.
    public var keyHeadCount: Int
    /// d, the width of a head.
    public var headWidth: Int
    /// C, the width of the context.
    public var contextWidth: Int
    /// Whether a query sees no key behind its own position.
    public var isCausal: Bool
    /// Whether the four projections have biases.
    public var hasBias: Bool
    /// Positions that turn the first elements of each query and key; nil for none.
    public var rotary: RotaryEmbedding?

    /// A configuration; without the optional numbers it is PyTorch's plain self-attention.
    ///
    /// - Parameters:
    ///   - width: D.
    ///   - headCount: H.
    ///   - keyHeadCount: KV; nil for H.
    ///   - headWidth: d; nil for D / H, which must be whole.
    ///   - contextWidth: C; nil for D.
    ///   - isCausal: whether a query sees no key behind its own position.
    ///   - hasBias: whether the four projections have biases.
    ///   - rotary: positions for heads that are at least as wide; nil for none.
    public init(
      width: Int,
      headCount: Int,
      keyHeadCount: Int? = nil,
      headWidth: Int? = nil,
      contextWidth: Int? = nil,
      isCausal: Bool = false,
      hasBias: Bool = true,
      rotary: RotaryEmbedding? = nil
    ) {
      expect(
        headCount > 0 && (headWidth != nil || width % headCount == 0),
        "multi-head attention: \(headCount) heads do not divide a width of \(width)"
      )
      self.width = width
      self.headCount = headCount
      self.keyHeadCount = keyHeadCount ?? headCount
      self.headWidth = headWidth ?? width / headCount
      self.contextWidth = contextWidth ?? width
      self.isCausal = isCausal
      self.hasBias = hasBias
      self.rotary = rotary
    }

    /// [(H·d) × D].
    var queryShape: Shape { [headCount * headWidth, width] }
    /// [(KV·d) × C], of keys and of values.
    var keyShape: Shape { [keyHeadCount * headWidth, contextWidth] }
    /// [D × (H·d)].
    var outputShape: Shape { [width, headCount * headWidth] }

    /// Stops where the numbers do not make an attention layer.
    func check() {
      expect(
        min(width, headCount, keyHeadCount, headWidth, contextWidth) > 0,
        "multi-head attention: widths and heads must be positive, found \(self)"
      )
      expect(
        headCount % keyHeadCount == 0,
        "multi-head attention: \(headCount) heads are no multiple of \(keyHeadCount) key heads"
      )
      if let rotary {
        expect(
          rotary.headWidth <= headWidth,
          "multi-head attention: rotary positions of width \(rotary.headWidth) for heads of "
            + "\(headWidth)"
        )
      }
    }
  }
}
