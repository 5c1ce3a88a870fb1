public import Autograd
public import Tensor

/// FlexRound: rounding after a division by learned scales.
///
///     Ŵ = s₁ ⊙ clamp(round(W / S), lo, hi)        S = s₁ ⊙ S₂ ⊙ s₃        for linear layers
///                                                  S = s₁ ⊙ S₂ ⊙ s₃ ⊙ s₄   for convolutions
///
/// All factors are positive and learned as logarithms, d = log s; S₂ = s₃ = s₄ = 1 at the start, so
/// training begins at round-to-nearest. Only s₁ multiplies the integers: the result is an ordinary
/// uniform grid. With u = W / S, n = round(u), q = clamp(n), m = (lo ≤ n ≤ hi) and G = ∂L/∂Ŵ:
///
///     A = −G ⊙ s₁ ⊙ u ⊙ m      ∂L/∂d₂ = A      ∂L/∂d₃ = row sums of A
///     ∂L/∂d₄ = sums of A over rows and kernel    ∂L/∂d₁ = Σ G ⊙ s₁ ⊙ (q − u ⊙ m) over a group
///
/// - Shapes: W [N × K] or [O × I × kH × kW]; S₂ as W; s₁ as the granularity says, one per row in the
///   paper; s₃ [N × 1] or [O × 1 × 1 × 1]; s₄ [1 × I × 1 × 1], or [1 × K] for a linear layer that
///   wants one.
/// - Source: Lee et al. 2023, "FlexRound: Learnable Rounding based on Element-wise Division for
///   Post-Training Quantization", section 3 (definition, proposition 3.1) and the official code
///   (logarithms, inclusive bounds).
/// - Deviation: `StepParameterization.relative` by default; see there.
/// - Complexity: one pass over W forward, one back; u is kept between them.
public final class FlexRound: LearnedRounding {
  /// What of the method is used.
  public struct Configuration: Codable, Hashable, Sendable {
    /// How s₁ is written.
    public var parameterization: StepParameterization
    /// Whether s₁ is learned.
    public var learnsStepSize: Bool
    /// Whether there is an S₂.
    public var hasElementScales: Bool
    /// Whether there is an s₃.
    public var hasRowScales: Bool
    /// Whether there is an s₄; nil for convolutions only, as in the paper.
    public var hasInputScales: Bool?

    /// The paper's method, unless parts are left out.
    public init(
      parameterization: StepParameterization = .relative,
      learnsStepSize: Bool = true,
      hasElementScales: Bool = true,
      hasRowScales: Bool = true,
      hasInputScales: Bool? = nil
    ) {
      self.parameterization = parameterization
      self.learnsStepSize = learnsStepSize
      self.hasElementScales = hasElementScales
      self.hasRowScales = hasRowScales
      self.hasInputScales = hasInputScales
    }
  }

  /// W.
  public let weight: Tensor<Float>
  /// What W is rounded to.
  public let scheme: WeightScheme
  /// d₁, one per group.
  public let logStep: Parameter
  /// d₂, as W.
  public let logScale: Parameter?
  /// d₃, one per row.
  public let logRowScale: Parameter?
  /// d₄, one per input.
  public let logInputScale: Parameter?
  let grids: LearnedGrids

  /// How s₁ is written.
  public var parameterization: StepParameterization { grids.parameterization }
  /// s₁ at the start.
  public var startingStepSizes: Tensor<Float> { grids.grids.stepSizes }

  /// The start of the method: round-to-nearest.
  ///
  /// - Parameters:
  ///   - weight: W, finite.
  ///   - scheme: what it is rounded to.
  ///   - configuration: what of the method is used.
  ///   - layer: the name of W, for errors.
  /// - Throws: `QuantizationError.notFinite`.
  public init(
    _ weight: Tensor<Float>,
    scheme: WeightScheme,
    configuration: Configuration = Configuration(),
    layer: String = "weight"
  ) throws(QuantizationError) {
    grids = try LearnedGrids(
      weight,
      scheme: scheme,
      parameterization: configuration.parameterization,
      layer: layer
    )
    self.weight = weight
    self.scheme = scheme
    logStep = Parameter(grids.start, isTrainable: configuration.learnsStepSize)
    let ones = [Int](repeating: 1, count: weight.rank - 2)
    let (rows, inputs) = (weight.shape[0], weight.shape[1])
    logScale = configuration.hasElementScales ? Parameter(.zeros(weight.shape)) : nil
    logRowScale =
      configuration.hasRowScales ? Parameter(.zeros(Shape([rows, 1] + ones))) : nil
    let hasInputScales = configuration.hasInputScales ?? (weight.rank == 4)
    logInputScale = hasInputScales ? Parameter(.zeros(Shape([1, inputs] + ones))) : nil
  }

  /// The rounding at the parameters of now.
  private var rounding: RoundingRows {
    var rounding = grids.rounding(at: logStep.value)
    let shape = grids.matrix.shape
    rounding.full = logScale?.value.reshaped(to: shape)
    rounding.row = logRowScale?.value.reshaped(to: [shape[0]])
    rounding.column = logInputScale?.value.flattened().repeated(kernelSize, axis: 0)
    return rounding
  }

  /// Elements of W for one input and one output.
  private var kernelSize: Int { weight.count / (weight.shape[0] * weight.shape[1]) }

  /// Ŵ in the shape of W.
  public func callAsFunction() -> Variable {
    var rounding = rounding
    let (values, quotients) = rounding.rounded(grids.matrix)
    // The way back needs none of these; they must be free for the optimizer to change in place.
    (rounding.full, rounding.row, rounding.column) = (nil, nil, nil)
    let parameters = [logStep, logScale, logRowScale, logInputScale]
    let (shape, kernelSize) = (weight.shape, kernelSize)
    return .custom(
      values.reshaped(to: shape),
      inputs: parameters.compactMap { $0?.variable }
    ) { [rounding] gradient in
      let back = rounding.gradients(
        gradient.reshaped(to: quotients.shape),
        quotients: quotients,
        of: .shift
      )
      return zip(parameters, 0...).compactMap { parameter, place in
        guard let parameter else { return nil }
        let found =
          switch place {
          case 0: back.steps * rounding.steps
          case 1: back.shift
          case 2: back.rowShift
          default: back.shift.map { Self.inputSums(of: $0, kernelSize) }
          }
        return .some(found?.reshaped(to: parameter.shape))
      }
    }
  }

  /// The sums over rows and kernel elements of A [N × (I · kernel)].
  private static func inputSums(of shift: Tensor<Float>, _ kernelSize: Int) -> Tensor<Float> {
    var sums = Tensor<Float>.zeros([shift.shape[1]])
    sums.accumulateColumnSums(of: shift)
    guard kernelSize > 1 else { return sums }
    return sums.reshaped(to: [shift.shape[1] / kernelSize, kernelSize]).sum(axes: [1])
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
