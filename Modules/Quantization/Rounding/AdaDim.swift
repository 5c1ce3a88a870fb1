public import Tensor

/// AdaDim: groups along the inputs of a row or along the outputs of a column, whichever hurts a layer
/// less.
///
///     axis* = argmin over {inputs, outputs} of ‖Q_axis(W) X − W X‖²
///
/// An input channel with outliers touches every group of its row's layout; grouped along the outputs
/// it has step sizes of its own. Ties go to groups of inputs, the usual layout. An axis that the group
/// size does not divide is no candidate; where neither is divided, groups of inputs end in a short one.
///
/// - Shapes: W [N × K]; step sizes [N × K/g] or [N/g × K].
/// - Source: Heo et al. 2024, "Rethinking Channel Dimensions to Isolate Outliers for Low-bit Weight
///   Quantization of Large Language Models", equation 1, and the official code.
/// - Complexity: two roundings and two looks at the output; with GPTQ one sweep more.
public struct AdaDim: Codable, Hashable, Sendable {
  /// What rounds the weight in the chosen layout.
  public enum Base: Codable, Hashable, Sendable {
    /// Round to nearest.
    case nearest
    /// GPTQ in the order of activations: groups of inputs with fixed grids, those of outputs with the
    /// grid of a column found at its turn.
    case gptq(damping: Double = 0.01)
  }

  /// What the layouts are compared with.
  public enum Selection: String, Codable, Hashable, Sendable, CaseIterable {
    /// Round to nearest in both layouts, as in the paper.
    case nearest
    /// The base itself in both.
    case base
  }

  /// The codes.
  public var grid: QuantizationGrid
  /// The weights of a group, g.
  public var groupSize: Int
  /// What rounds.
  public var base: Base
  /// What the layouts are compared with.
  public var selection: Selection
  /// How step sizes are stored.
  public var scaleType: ScaleType
  /// How ranges are found where the official ones are not asked for.
  public var range: RangeEstimation
  /// Whether ranges are those of the official code, which need not hold zero
  /// (`RangeEstimation.adaDim`), where it uses them; else all hold zero.
  public var hasOfficialRanges: Bool

  /// The method for a grid and a group size.
  public init(
    grid: QuantizationGrid,
    groupSize: Int,
    base: Base = .nearest,
    selection: Selection = .nearest,
    scaleType: ScaleType = .float16,
    range: RangeEstimation = .minMax,
    hasOfficialRanges: Bool = false
  ) {
    self.grid = grid
    self.groupSize = groupSize
    self.base = base
    self.selection = selection
    self.scaleType = scaleType
    self.range = range
    self.hasOfficialRanges = hasOfficialRanges
  }

  /// What was chosen for one layer.
  public struct Choice: Sendable {
    /// The layout.
    public let granularity: Granularity
    /// The codes in it.
    public let matrix: QuantizedMatrix
    /// The error of each candidate that was compared, groups of inputs first.
    public let errors: [(granularity: Granularity, error: Double)]
    /// GPTQ's report, where it rounded.
    public let report: GPTQ.Report?
  }

  /// The layouts that come into question for a weight [N × K].
  public func candidates(for shape: Shape) -> [Granularity] {
    let byInputs = Granularity.inputGroups(groupSize)
    guard shape[0] % groupSize == 0 else { return [byInputs] }
    guard shape[1] % groupSize == 0 else { return [.outputGroups(groupSize)] }
    return [byInputs, .outputGroups(groupSize)]
  }

  /// Rounds a weight in the better layout.
  ///
  /// - Parameters:
  ///   - weight: W [N × K], finite.
  ///   - hessian: H of the layer's inputs; GPTQ needs it.
  ///   - layer: its name, for errors.
  ///   - outputError: how far an output moves with a candidate in place of W: the layer's own output,
  ///     or that of the attention or MLP around it, as the official code judges queries, keys, values
  ///     and the first matrices of an MLP. See `outputError(of:for:inputs:)`.
  /// - Returns: the codes, and how the candidates did.
  /// - Throws: `QuantizationError`, and what `outputError` throws.
  public func quantize(
    _ weight: Tensor<Float>,
    hessian: CalibrationHessian? = nil,
    layer: String = "weight",
    outputError: (_ candidate: Tensor<Float>) throws -> Double
  ) throws -> Choice {
    var errors: [(granularity: Granularity, error: Double)] = []
    var best: (granularity: Granularity, matrix: QuantizedMatrix, report: GPTQ.Report?)?
    var bestError = Double.infinity
    for granularity in candidates(for: weight.shape) {
      let candidate =
        selection == .base
        ? try rounded(weight, hessian, granularity, layer)
        : try nearest(weight, granularity, layer)
      let error = try outputError(candidate.matrix.dequantized())
      errors.append((granularity, error))
      if best == nil || error < bestError {
        best = (granularity, candidate.matrix, candidate.report)
        bestError = error
      }
    }
    let granularity = best?.granularity ?? .inputGroups(groupSize)
    let found =
      if selection == .base || base == .nearest, let best {
        (matrix: best.matrix, report: best.report)
      } else {
        try rounded(weight, hessian, granularity, layer)
      }
    return Choice(
      granularity: granularity,
      matrix: found.matrix,
      errors: errors,
      report: found.report
    )
  }

  /// The mean of (X Wᵀ − X Ŵᵀ)²: the error at a layer's own output.
  ///
  /// - Shapes: candidate and weight [N × K], inputs [… × K].
  public static func outputError(
    of candidate: Tensor<Float>,
    for weight: Tensor<Float>,
    inputs: Tensor<Float>
  ) -> Double {
    let moved = inputs.matmul(weight - candidate, transposingOther: true)
    return Double(moved.square().mean())
  }

  private typealias Rounded = (matrix: QuantizedMatrix, report: GPTQ.Report?)

  private func nearest(
    _ weight: Tensor<Float>,
    _ granularity: Granularity,
    _ layer: String
  ) throws(QuantizationError) -> Rounded {
    let scheme = try scheme(granularity, isOfficial: hasOfficialRanges)
    return (try RoundToNearest(scheme).quantize(weight, layer: layer).matrix, nil)
  }

  private func rounded(
    _ weight: Tensor<Float>,
    _ hessian: CalibrationHessian?,
    _ granularity: Granularity,
    _ layer: String
  ) throws(QuantizationError) -> Rounded {
    guard case .gptq(let damping) = base else { return try nearest(weight, granularity, layer) }
    guard let hessian else { throw .missingCalibration(layer: layer) }
    var byOutputs = false
    if case .outputGroups = granularity { byOutputs = true }
    // GPTQ's own quantizer, whose ranges hold zero, serves groups of inputs in the official code.
    let scheme = try scheme(granularity, isOfficial: hasOfficialRanges && byOutputs)
    let method = GPTQ(order: .activation, groupGrids: .fixed, damping: damping)
    let (matrix, report) = try method.quantize(
      weight,
      hessian: hessian,
      scheme: scheme,
      layer: layer
    )
    return (matrix, report)
  }

  private func scheme(
    _ granularity: Granularity,
    isOfficial: Bool
  ) throws(QuantizationError) -> WeightScheme {
    try WeightScheme(
      grid: grid,
      granularity: granularity,
      range: isOfficial ? .adaDim : range,
      scaleType: scaleType
    )
  }
}
