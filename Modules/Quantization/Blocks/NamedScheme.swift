/// What a model is rounded to, by the name that papers give it: `W4A16`, `W4A8KV8`, `W3G64`, `W3IC64`.
///
///     W bits [G group size | IC group size] [A bits] [KV bits]
///
/// Weights are asymmetric unless it is said otherwise: per output channel, in groups of inputs along a row (`G`), or in groups of
/// outputs inside one input channel (`IC`, AdaDim's "per-IC"). `A16` (or nothing) leaves
/// activations as they are; 8-bit activations are static per tensor with 8-bit weights, behind
/// SmoothQuant, and dynamic per token with fewer. `KV8` stores keys and values in 8 bits.
///
/// - Source: Lee et al. 2023 and 2025 (FlexRound, LRQ): W8A8, W4A8KV8, W4A16, W3A16; Heo et al. 2024
///   (AdaDim): groups of 64 and 128 in both dimensions.
public struct NamedScheme: Hashable, Sendable {
  /// The name, in capitals.
  public let name: String
  /// The weights.
  public let weights: WeightScheme
  /// The activations; nil for floating point.
  public let activations: ActivationScheme?
  /// Bits of keys and values; nil for floating point.
  public let keyValueBits: Int?
  /// What is folded first.
  public let smoothing: SmoothQuant?

  /// The scheme of a name.
  ///
  /// - Parameters:
  ///   - name: as above, in letters of any case.
  ///   - isSymmetric: whether weights have the same range on both sides of zero, which names do not say.
  ///   - range: how ranges of weights are found.
  ///   - scaleType: how step sizes are stored.
  /// - Throws: `QuantizationError.invalidScheme` for a name of another form or bits out of range.
  public init(
    _ name: String,
    isSymmetric: Bool = false,
    range: RangeEstimation = .minMax,
    scaleType: ScaleType = .float16
  ) throws(QuantizationError) {
    guard
      let match = name.uppercased().wholeMatch(
        of: /W(?<w>\d)(?:(?<axis>G|IC)(?<g>\d{1,9}))?(?:A(?<a>\d{1,2}))?(?:KV(?<kv>\d{1,2}))?/
      )
    else {
      throw .invalidScheme(
        "'\(name)' is no scheme; write W4A16, W3G64 or W3IC64 (not both), W8A8 or W4A8KV8"
      )
    }
    self.name = name.uppercased()
    let bits = Int(match.w) ?? 0
    let granularity: Granularity =
      switch (match.axis, match.g.flatMap { Int($0) }) {
      case ("IC", let size?): .outputGroups(size)
      case (_, let size?): .inputGroups(size)
      case (_, nil): .outputChannel
      }
    weights = try WeightScheme(
      grid: QuantizationGrid(bits: bits, isSymmetric: isSymmetric),
      granularity: granularity,
      range: range,
      scaleType: scaleType
    )
    switch match.a.flatMap({ Int($0) }) {
    case nil, 16: (activations, smoothing) = (nil, nil)
    case 8 where bits == 8:
      (activations, smoothing) = (try ActivationScheme(sharing: .tensor), SmoothQuant())
    case 8: (activations, smoothing) = (try ActivationScheme(sharing: .token), nil)
    case let other?:
      throw .invalidScheme("'\(name)' asks for activations of \(other) bits; choose 8 or 16")
    }
    switch match.kv.flatMap({ Int($0) }) {
    case nil, 16: keyValueBits = nil
    case 8: keyValueBits = 8
    case let other?:
      throw .invalidScheme("'\(name)' asks for keys and values of \(other) bits; choose 8 or 16")
    }
  }
}
