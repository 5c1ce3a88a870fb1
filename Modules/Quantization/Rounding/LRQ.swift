public import Autograd
public import Tensor

/// LRQ: rounding after a division by learned scales of low rank.
///
///     Ŵ = s₁ ⊙ clamp(round(W / S), lo, hi)        S = s₁ ⊙ exp(L·U + r + c)
///
/// FlexRound's full matrix S₂ becomes L·U and two vectors, so that weights share what they learn.
/// L = r = c = 0 at the start, which is round-to-nearest; U is random. With A and ∂L/∂d₁ as in
/// `FlexRound`:
///
///     ∂L/∂L = A·Uᵀ      ∂L/∂U = Lᵀ·A      ∂L/∂r = row sums of A      ∂L/∂c = column sums of A
///
/// ∂L/∂U is exactly 0 at the first step.
///
/// - Shapes: W [N × K], L [N × k], U [k × K], r [N × 1], c [1 × K]; a convolution's W counts as
///   [O × (I · kH · kW)].
/// - Source: Lee et al. 2025, "LRQ: Optimizing Post-Training Quantization for Large Language Models
///   by Learning Low-Rank Weight-Scaling Matrices", and the official code (exponent, start).
/// - Deviation: `StepParameterization.relative` by default.
/// - Complexity: FlexRound's passes, and three products of 2·k·N·K operations.
public final class LRQ: LearnedRounding {
  /// How the rank follows from the shape.
  public enum Rank: Codable, Hashable, Sendable {
    /// The largest power of two that is at most a quarter of the shorter side.
    case automatic
    /// That many.
    case fixed(Int)
    /// That share of the shorter side, rounded.
    case fraction(Double)
    /// The official code's rule: FlexRound where one side is above 4096 and the other is not, and for
    /// 8192 × 8192; else 2048 where both sides reach 8192, and 1024.
    case official

    /// The rank for a weight [N × K]; nil where a full matrix of scales is learned instead, which is
    /// no larger: k·(N + K) ≥ N·K.
    public func resolved(for shape: Shape) -> Int? {
      let (rows, columns) = (shape[0], shape[1])
      let short = min(rows, columns)
      let rank: Int
      switch self {
      case .automatic:
        guard short >= 4 else { return nil }
        rank = 1 << (Int.bitWidth - 1 - (short / 4).leadingZeroBitCount)
      case .fixed(let value):
        rank = value
      case .fraction(let share):
        rank = max(1, Int((share * Double(short)).rounded()))
      case .official:
        let isMixed = (rows <= 4096) != (columns <= 4096)
        if isMixed || (rows == 8192 && columns == 8192) { return nil }
        rank = short >= 8192 ? 2048 : 1024
      }
      return rank < 1 || rank * (rows + columns) >= rows * columns ? nil : rank
    }
  }

  /// What U is drawn from.
  public enum Start: Codable, Hashable, Sendable {
    /// U(±1/√K), as in the official code.
    case uniform
    /// A normal distribution of that deviation.
    case normal(Float)
  }

  /// What of the method is used.
  public struct Configuration: Codable, Hashable, Sendable {
    /// The rank.
    public var rank: Rank
    /// What U is drawn from.
    public var start: Start
    /// How s₁ is written.
    public var parameterization: StepParameterization
    /// Whether s₁ is learned.
    public var learnsStepSize: Bool
    /// Whether there are an r and a c.
    public var hasVectors: Bool

    /// The paper's method, unless parts are left out.
    public init(
      rank: Rank = .automatic,
      start: Start = .uniform,
      parameterization: StepParameterization = .relative,
      learnsStepSize: Bool = true,
      hasVectors: Bool = true
    ) {
      self.rank = rank
      self.start = start
      self.parameterization = parameterization
      self.learnsStepSize = learnsStepSize
      self.hasVectors = hasVectors
    }
  }

  /// W.
  public let weight: Tensor<Float>
  /// What W is rounded to.
  public let scheme: WeightScheme
  /// d₁, one per group.
  public let logStep: Parameter
  /// L.
  public let left: Parameter
  /// U.
  public let right: Parameter
  /// r.
  public let row: Parameter?
  /// c.
  public let column: Parameter?
  let grids: LearnedGrids

  /// How s₁ is written.
  public var parameterization: StepParameterization { grids.parameterization }
  /// s₁ at the start.
  public var startingStepSizes: Tensor<Float> { grids.grids.stepSizes }

  /// The start of the method: round-to-nearest.
  ///
  /// - Parameters:
  ///   - weight: W, finite.
  ///   - rank: k, 1 or more.
  ///   - scheme: what it is rounded to.
  ///   - configuration: what of the method is used; its rank is not asked.
  ///   - layer: the name of W, for errors.
  ///   - generator: the source of U.
  /// - Throws: `QuantizationError.notFinite`.
  public init(
    _ weight: Tensor<Float>,
    rank: Int,
    scheme: WeightScheme,
    configuration: Configuration = Configuration(),
    layer: String = "weight",
    using generator: inout Philox
  ) throws(QuantizationError) {
    expect(rank > 0, "LRQ: rank \(rank), 1 or more is needed")
    grids = try LearnedGrids(
      weight,
      scheme: scheme,
      parameterization: configuration.parameterization,
      layer: layer
    )
    self.weight = weight
    self.scheme = scheme
    logStep = Parameter(grids.start, isTrainable: configuration.learnsStepSize)
    let (rows, columns) = (grids.matrix.shape[0], grids.matrix.shape[1])
    left = Parameter(.zeros([rows, rank]))
    switch configuration.start {
    case .uniform:
      let bound = 1 / Float(columns).squareRoot()
      right = Parameter(.uniform([rank, columns], from: -bound, to: bound, using: &generator))
    case .normal(let deviation):
      right = Parameter(.normal([rank, columns], deviation: deviation, using: &generator))
    }
    row = configuration.hasVectors ? Parameter(.zeros([rows, 1])) : nil
    column = configuration.hasVectors ? Parameter(.zeros([1, columns])) : nil
  }

  /// The rounding at the parameters of now.
  private var rounding: RoundingRows {
    var rounding = grids.rounding(at: logStep.value)
    rounding.full = left.value.matmul(right.value)  // [N, K]
    rounding.row = row?.value.flattened()
    rounding.column = column?.value.flattened()
    return rounding
  }

  /// Ŵ in the shape of W.
  public func callAsFunction() -> Variable {
    var rounding = rounding
    let (values, quotients) = rounding.rounded(grids.matrix)
    (rounding.full, rounding.row, rounding.column) = (nil, nil, nil)
    let parameters = [logStep, left, right] + [row, column].compactMap { $0 }
    let (l, u) = (left.value, right.value)
    return .custom(
      values.reshaped(to: weight.shape),
      inputs: parameters.map(\.variable)
    ) { [rounding] gradient in
      let back = rounding.gradients(
        gradient.reshaped(to: quotients.shape),
        quotients: quotients,
        of: .shift
      )
      guard let shift = back.shift else { return parameters.map { _ in nil } }
      var columnSums = Tensor<Float>.zeros([shift.shape[1]])
      columnSums.accumulateColumnSums(of: shift)
      let found = [
        back.steps * rounding.steps,
        shift.matmul(u, transposingOther: true),  // [N, k]
        l.matmul(shift, transposingSelf: true),  // [k, K]
        back.rowShift,
        columnSums,
      ]
      return zip(parameters, found).map { $1.reshaped(to: $0.shape) }
    }
  }

  /// The codes of round-to-nearest.
  public func nearest() -> QuantizedMatrix { grids.nearest }

  /// log S without s₁, as a matrix.
  public func logScales() -> Tensor<Float>? {
    let rounding = rounding
    let (rows, columns) = (grids.matrix.shape[0], grids.matrix.shape[1])
    var sum = rounding.full ?? .zeros([rows, columns])
    if let row = rounding.row { sum = sum + row.reshaped(to: [rows, 1]) }
    if let column = rounding.column { sum = sum + column }
    return sum
  }

  /// The codes of now, with the step sizes rounded to how they are stored.
  public func quantized() -> QuantizedMatrix { grids.quantized(rounding) }
}
