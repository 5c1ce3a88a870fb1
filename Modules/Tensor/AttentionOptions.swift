/// Which keys a query may attend to.
///
/// All restrictions hold together. Query t of T stands at position t + S − T among S keys, so that
/// the last query stands at the last key. A query that may see no key yields zeros.
public struct AttentionMask: Sendable {
  /// A rule for each pair of a query and a key.
  ///
  /// - Shapes: [B × H × T × S]; leading axes may be 1 or missing, T may be 1.
  public enum Pairs: Sendable {
    /// True where the query may see the key.
    case allowed(Tensor<Bool>)
    /// Added to the scores, after the soft cap.
    case bias(Tensor<Float>)
  }

  /// Whether a query sees no key behind its own position.
  public var isCausal: Bool
  /// Only keys less than this many positions away; nil for all.
  public var window: Int?
  /// For each sequence of the batch, the number of its keys that are no padding; nil for all.
  public var keyLengths: [Int]?
  /// A rule for each pair, beside the others.
  public var pairs: Pairs?

  /// A mask with the given restrictions; by default none.
  public init(
    isCausal: Bool = false,
    window: Int? = nil,
    keyLengths: [Int]? = nil,
    pairs: Pairs? = nil
  ) {
    self.isCausal = isCausal
    self.window = window
    self.keyLengths = keyLengths
    self.pairs = pairs
  }

  /// Every query sees every key.
  public static var none: AttentionMask { AttentionMask() }
  /// A query sees the keys up to its own position.
  public static var causal: AttentionMask { AttentionMask(isCausal: true) }
  /// A query sees the last `width` keys up to its own position.
  public static func slidingWindow(_ width: Int) -> AttentionMask {
    AttentionMask(isCausal: true, window: width)
  }
}

/// What attention does beside softmax(Q Kᵀ) V.
public struct AttentionOptions: Sendable {
  /// Which keys a query may see.
  public var mask: AttentionMask
  /// The factor of q·k; nil for 1/√d.
  public var scale: Float?
  /// c, which replaces a score s by c · tanh(s / c); nil for none.
  public var softCap: Float?

  /// Options, by default plain attention.
  public init(mask: AttentionMask = .none, scale: Float? = nil, softCap: Float? = nil) {
    self.mask = mask
    self.scale = scale
    self.softCap = softCap
  }
}

/// The order of the axes of heads and positions.
public enum HeadLayout: Hashable, Sendable {
  /// [B × H × T × d]
  case headsFirst
  /// [B × T × H × d], which is how a projection makes them.
  case positionsFirst
}
