public import Autograd
public import Tensor

/// A weight whose rounding is trained: what FlexRound, LRQ and AdaRound have in common.
///
///     Ŵ = s₁ ⊙ clamp(n(W), lo, hi)        FlexRound and LRQ: n = round(W / S)
///
/// The parameters change n and, in FlexRound and LRQ, s₁; W, the zero points and the bounds are fixed.
/// The gradient takes round for the identity and is zero where the integer was clamped; integers on a
/// bound count as inside. In use (`isTraining` is false, where there is such a thing) Ŵ lies on the
/// grid and begins at round-to-nearest.
public protocol LearnedRounding: Module {
  /// W, [N × K] or [O × I × kH × kW].
  var weight: Tensor<Float> { get }
  /// What the weight is rounded to.
  var scheme: WeightScheme { get }

  /// How s₁ is written as a parameter.
  var parameterization: StepParameterization { get }
  /// s₁ at the start, that of round-to-nearest: one per group.
  var startingStepSizes: Tensor<Float> { get }

  /// Ŵ in the shape of W, on the tape where a parameter is trained.
  func callAsFunction() -> Variable

  /// The codes of round-to-nearest, where the training begins.
  func nearest() -> QuantizedMatrix

  /// log S without s₁: how far each weight's divisor has moved from round-to-nearest's; as a matrix.
  /// Nil for methods that divide by s₁ alone.
  func logScales() -> Tensor<Float>?

  /// What the method adds to the loss of a reconstruction.
  ///
  /// - Parameter share: the share of the steps that are done, in 0 ..< 1.
  /// - Returns: a scalar on the tape; nil for nothing, which is the default.
  func penalty(at share: Float) -> Variable?

  /// The codes of now, with the step sizes rounded to how they are stored.
  ///
  /// - Shapes: [N × K], or [O × (I · kH · kW)] for a convolution.
  func quantized() -> QuantizedMatrix
}

extension LearnedRounding {
  /// Nothing.
  public func penalty(at share: Float) -> Variable? { nil }
}

/// How a learned step size is written as a parameter.
public enum StepParameterization: String, Codable, Hashable, Sendable, CaseIterable {
  /// d₁ = log s₁, as in the official code.
  case logarithm
  /// d₁ = log(s₁ / s₁⁰) with the start s₁⁰: the same training, and a start that is
  /// round-to-nearest to the bit, because exp(0) is 1 and exp(log s) is not s.
  case relative
}

/// The step sizes, zero points and bounds of a learned rounding.
struct LearnedGrids: Sendable {
  let grids: WeightGrids
  let parameterization: StepParameterization
  /// s₁⁰, or 1 where d₁ is the whole logarithm.
  let base: Tensor<Float>
  let lows: Tensor<Float>
  let highs: Tensor<Float>
  /// W as a matrix.
  let matrix: Tensor<Float>

  /// The start: the grids of round-to-nearest.
  init(
    _ weight: Tensor<Float>,
    scheme: WeightScheme,
    parameterization: StepParameterization,
    layer: String
  ) throws(QuantizationError) {
    expect(
      weight.rank == 2 || weight.rank == 4,
      "learned rounding: a weight of 2 or 4 axes is needed, found \(weight.shape)"
    )
    expect(weight.count > 0, "learned rounding: an empty weight \(weight.shape)")
    matrix = weight.reshaped(to: [weight.shape[0], weight.count / weight.shape[0]])
    grids = try WeightGrids(matrix, scheme: scheme, layer: layer)
    self.parameterization = parameterization
    base =
      switch parameterization {
      case .logarithm: .ones(grids.stepSizes.shape)
      case .relative: grids.stepSizes
      }
    lows = grids.zeroPoints * -1
    highs = lows + Float(scheme.grid.maximumCode)
  }

  /// d₁ at the start.
  var start: Tensor<Float> {
    switch parameterization {
    case .logarithm: grids.stepSizes.log()
    case .relative: .zeros(grids.stepSizes.shape)
    }
  }

  /// The rounding at d₁, without exponents of elements.
  func rounding(at step: Tensor<Float>) -> RoundingRows {
    RoundingRows(
      layout: grids.layout,
      base: base,
      first: step,
      steps: base * step.exp(),
      lows: lows,
      highs: highs
    )
  }

  /// The codes of round-to-nearest.
  var nearest: QuantizedMatrix { grids.matrix(codes: grids.codes(of: matrix).codes) }

  /// The matrix whose integers are the rounded quotients.
  func quantized(_ rounding: RoundingRows) -> QuantizedMatrix {
    let scaleType = grids.scheme.scaleType
    let steps = rounding.steps.elements.map { scaleType.stored($0) }
    return quantized(
      rounding.rounded(matrix).quotients,
      steps: Tensor(steps, shape: rounding.steps.shape)
    )
  }

  /// The matrix of the nearest integers to positions [N × K] on the grids, at s₁⁰ unless it has moved.
  func quantized(_ positions: Tensor<Float>, steps: Tensor<Float>? = nil) -> QuantizedMatrix {
    var result = grids
    result.stepSizes = .ones(grids.stepSizes.shape)
    let codes = result.codes(of: positions).codes
    result.stepSizes = steps ?? grids.stepSizes
    return result.matrix(codes: codes)
  }
}

// MARK: - Positions between the integers

extension LearnedGrids {
  /// s₁⁰ ⊙ clamp(n, lo, hi) for positions n [N × K], integers or between them.
  func values(at positions: Tensor<Float>) -> Tensor<Float> {
    Tensor(uninitialized: positions.shape) { values in
      forEachElement(positions) { place, position, step, low, high in
        values[place] = step * min(max(position, low), high)
      }
    }
  }

  /// The gradient of positions from that of their values: step · g inside the bounds, which count as
  /// inside.
  func gradient(_ gradient: Tensor<Float>, at positions: Tensor<Float>) -> Tensor<Float> {
    gradient.withUnsafeElements { gradient in
      Tensor(uninitialized: positions.shape) { found in
        forEachElement(positions) { place, position, step, low, high in
          found[place] = low <= position && position <= high ? step * gradient[place] : 0
        }
      }
    }
  }

  /// Calls `body` with each element's place and value, and its group's step size and bounds.
  @inline(__always)
  private func forEachElement(
    _ elements: Tensor<Float>,
    _ body: (_ place: Int, _ element: Float, _ step: Float, _ low: Float, _ high: Float) -> Void
  ) {
    let layout = grids.layout
    let (columns, groups) = (layout.columnCount, layout.columnGroups)
    elements.withUnsafeElements { elements in
      grids.stepSizes.withUnsafeElements { steps in
        lows.withUnsafeElements { lows in
          highs.withUnsafeElements { highs in
            for row in 0..<layout.rowCount {
              for group in 0..<groups {
                let start = row * columns + group * layout.columnsPerGroup
                let end = min(start + layout.columnsPerGroup, (row + 1) * columns)
                let index = row / layout.rowsPerGroup * groups + group
                let (step, low, high) = (steps[index], lows[index], highs[index])
                for place in start..<end { body(place, elements[place], step, low, high) }
              }
            }
          }
        }
      }
    }
  }
}

/// A rounding that is learned, and its settings.
public enum LearnedRoundingMethod: Codable, Hashable, Sendable {
  /// A scale for every weight.
  case flexRound(FlexRound.Configuration = FlexRound.Configuration())
  /// Scales of low rank; FlexRound where the rank rule says so.
  case lrq(LRQ.Configuration = LRQ.Configuration())
  /// Up or down for every weight.
  case adaRound(AdaRound.Configuration = AdaRound.Configuration())

  /// The start of the method for a weight [N × K] or [O × I × kH × kW].
  ///
  /// - Parameters:
  ///   - weight: W, finite.
  ///   - scheme: what it is rounded to.
  ///   - layer: its name, for errors.
  ///   - generator: the source of LRQ's start.
  /// - Returns: the rounding, which starts at round-to-nearest (AdaRound's: in use).
  /// - Throws: `QuantizationError.notFinite`.
  public func callAsFunction(
    _ weight: Tensor<Float>,
    scheme: WeightScheme,
    layer: String = "weight",
    using generator: inout Philox
  ) throws(QuantizationError) -> any LearnedRounding {
    switch self {
    case .flexRound(let configuration):
      return try FlexRound(weight, scheme: scheme, configuration: configuration, layer: layer)
    case .lrq(let configuration):
      let rows = weight.shape[0]
      let shape: Shape = [rows, weight.count / max(rows, 1)]
      guard let rank = configuration.rank.resolved(for: shape) else {
        // A rank that is not smaller than the matrix has as many scales as FlexRound.
        let full = FlexRound.Configuration(
          parameterization: configuration.parameterization,
          learnsStepSize: configuration.learnsStepSize
        )
        return try FlexRound(weight, scheme: scheme, configuration: full, layer: layer)
      }
      return try LRQ(
        weight,
        rank: rank,
        scheme: scheme,
        configuration: configuration,
        layer: layer,
        using: &generator
      )
    case .adaRound(let configuration):
      return try AdaRound(weight, scheme: scheme, configuration: configuration, layer: layer)
    }
  }
}
