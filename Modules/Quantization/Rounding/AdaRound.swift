public import Autograd
public import Tensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// AdaRound: each weight learns whether it is rounded down or up.
///
///     Ŵ = s₁ ⊙ clamp(⌊W / s₁⌋ + h(V), lo, hi)        h(V) = clamp((ζ − γ) · sigmoid(V) + γ, 0, 1)
///     loss + λ · Σ (1 − |2 h(V) − 1|^β)
///
/// Only V is learned; s₁ stays. The start is h(V) = W / s₁ − ⌊W / s₁⌋, the float weight itself where
/// the grid reaches it. The penalty drives every h to 0 or 1: β falls from 20, where only what is
/// nearly decided is pulled, to 2. It sets in after a share of the steps, and β falls from there on.
///
/// While `isTraining` Ŵ is the soft weight above. In use it is the rounded one: up where V > 0, down
/// where V < 0, to the even integer at 0. So the start in use is round-to-nearest to the bit, and a
/// weight moves by one step at most. With m = (lo ≤ ⌊W / s₁⌋ + h ≤ hi) and G = ∂L/∂Ŵ:
///
///     ∂L/∂V = G ⊙ s₁ ⊙ m ⊙ h′(V)      h′(V) = (ζ − γ) · sigmoid(V) · (1 − sigmoid(V)) inside (0, 1)
///
/// - Shapes: W, V as the weight, [N × K] or [O × I × kH × kW]; s₁ as the granularity says.
/// - Source: Nagel et al. 2020, "Up or Down? Adaptive Rounding for Post-Training Quantization",
///   equations 21 to 24; λ, the range and the fall of β, and the warm-up as in BRECQ's official code.
/// - Deviation: the rate falls as the reconstruction's does; the official code keeps it.
/// - Complexity: a few passes over W forward and back.
public final class AdaRound: LearnedRounding, TrainingDependent {
  /// The penalty and when it acts.
  public struct Configuration: Codable, Hashable, Sendable {
    /// λ.
    public var penaltyWeight: Float
    /// β where the penalty sets in.
    public var firstExponent: Float
    /// β at the end.
    public var lastExponent: Float
    /// The share of the steps without penalty, in 0 ..< 1.
    public var warmUpShare: Float

    /// The official code's numbers.
    public init(
      penaltyWeight: Float = 0.01,
      firstExponent: Float = 20,
      lastExponent: Float = 2,
      warmUpShare: Float = 0.2
    ) {
      self.penaltyWeight = penaltyWeight
      self.firstExponent = firstExponent
      self.lastExponent = lastExponent
      self.warmUpShare = warmUpShare
    }

    /// β after a share of the steps; nil while there is no penalty.
    public func exponent(at share: Float) -> Float? {
      guard share >= warmUpShare else { return nil }
      let rest = max(1 - (share - warmUpShare) / (1 - warmUpShare), 0)
      return lastExponent + (firstExponent - lastExponent) * rest
    }
  }

  /// ζ and γ, the ends between which the sigmoid is stretched.
  public static let stretch: (upper: Float, lower: Float) = (1.1, -0.1)

  /// W.
  public let weight: Tensor<Float>
  /// What W is rounded to.
  public let scheme: WeightScheme
  /// The penalty.
  public let configuration: Configuration
  /// V, as W.
  public let offset: Parameter
  /// Whether Ŵ is the soft weight; else it is rounded.
  public var isTraining = true
  let grids: LearnedGrids
  /// ⌊W / s₁⌋ as a matrix.
  private let floors: Tensor<Float>

  /// s₁ does not change, so its start says all.
  public var parameterization: StepParameterization { .relative }
  /// s₁.
  public var startingStepSizes: Tensor<Float> { grids.grids.stepSizes }

  /// The start of the method: the float weight while it is trained, round-to-nearest in use.
  ///
  /// - Parameters:
  ///   - weight: W, finite.
  ///   - scheme: what it is rounded to.
  ///   - configuration: the penalty.
  ///   - layer: the name of W, for errors.
  /// - Throws: `QuantizationError.notFinite`.
  public init(
    _ weight: Tensor<Float>,
    scheme: WeightScheme,
    configuration: Configuration = Configuration(),
    layer: String = "weight"
  ) throws(QuantizationError) {
    expect(
      configuration.warmUpShare >= 0 && configuration.warmUpShare < 1
        && configuration.lastExponent > 1 && configuration.firstExponent > 1,
      "AdaRound: a share of 0 ..< 1 and exponents above 1 are needed, \(configuration)"
    )
    grids = try LearnedGrids(weight, scheme: scheme, parameterization: .relative, layer: layer)
    self.weight = weight
    self.scheme = scheme
    self.configuration = configuration
    let quotients = grids.rounding(at: grids.start).rounded(grids.matrix).quotients
    floors = quotients.floor()
    offset = Parameter(Self.offsets(of: quotients - floors).reshaped(to: weight.shape))
  }

  /// V with h(V) = fraction: log((fraction − γ) / (ζ − fraction)).
  private static func offsets(of fractions: Tensor<Float>) -> Tensor<Float> {
    let offsets = fractions.elements.map { fraction in
      // From the middle, where γ and ζ lie 0.6 away: the sign is that of fraction − 1/2 to the bit.
      let shift = Double(fraction) - 0.5
      return Float(log((0.6 + shift) / (0.6 - shift)))
    }
    return Tensor(offsets, shape: fractions.shape)
  }

  /// h(V) as a matrix.
  private var share: Variable { Self.share(of: offset.variable.reshaped(to: floors.shape)) }

  private static func share(of offset: Variable) -> Variable {
    (offset.sigmoid() * (stretch.upper - stretch.lower) + stretch.lower).clamped(to: 0...1)
  }

  /// ⌊W / s₁⌋ or the integer above it, as V says.
  private var integers: Tensor<Float> {
    let offsets = offset.value.reshaped(to: floors.shape)
    // ⌊u⌋ + 1/2 lies on a tie, which goes to the even integer; half a sign decides the others.
    return (floors + (offsets.sign() * 0.25 + 0.5)).rounded()
  }

  /// Ŵ in the shape of W: soft while it is trained, else rounded.
  public func callAsFunction() -> Variable {
    guard isTraining else {
      return Variable(grids.values(at: integers).reshaped(to: weight.shape))
    }
    let share = share
    let positions = floors + share.value
    return .custom(grids.values(at: positions), input: share) { [grids] gradient in
      grids.gradient(gradient, at: positions)
    }.reshaped(to: weight.shape)
  }

  /// λ · Σ (1 − |2 h(V) − 1|^β); nil while there is none.
  public func penalty(at share: Float) -> Variable? {
    guard let exponent = configuration.exponent(at: share), configuration.penaltyWeight != 0
    else { return nil }
    let decided = (self.share * 2 - 1).abs().pow(exponent)
    return (1 - decided).sum() * configuration.penaltyWeight
  }

  /// The codes of round-to-nearest.
  public func nearest() -> QuantizedMatrix { grids.nearest }

  /// Nil: V adds to the quotient.
  public func logScales() -> Tensor<Float>? { nil }

  /// The codes of now.
  public func quantized() -> QuantizedMatrix { grids.quantized(integers) }
}
