import LinearAlgebra
public import Tensor

/// GPTQ: columns are rounded one after the other, and each passes its error on to those that follow.
///
///     H = 2/n Σ XᵀX + λ · mean(diag H) · I        H⁻¹ = Uᵀ U, U upper triangular
///     for every column i:   q = round(w_i)    e = (w_i − q) / U_ii    w_j −= e · U_ij  for j > i
///
/// Inside a block of columns the error is passed on at once, row by row; behind it as one matrix
/// product, W[:, rest] −= E · U[block, rest]. Inputs that are always zero have H_ii = 1 and w = 0.
///
/// - Shapes: W [N × K], X [rows × K], H and U [K × K].
/// - Source: Frantar et al. 2023, "GPTQ: Accurate Post-Training Quantization for Generative
///   Pre-trained Transformers", algorithm 1 and section 3.3, and the official code.
/// - Deviation: `GroupGrids.fresh` by default; H is factored in double precision; where that fails the
///   damping λ is doubled up to `maximumDamping`, then the weight is rounded to nearest, and the report
///   says so.
/// - Complexity: N·K² / 2 multiply-adds beside 4/3 K³ for U.
public struct GPTQ: Codable, Hashable, Sendable {
  /// The order of the columns.
  public enum Order: String, Codable, Hashable, Sendable, CaseIterable {
    /// As they come.
    case natural
    /// Columns with the largest diagonal of H first ("act-order"); equal ones as they come.
    case activation
  }

  /// When the grid of a group of inputs is found.
  public enum GroupGrids: String, Codable, Hashable, Sendable, CaseIterable {
    /// When its first column's turn comes, from weights that hold all errors passed on so far.
    case fresh
    /// When its first column's turn comes, from the weights as they were at the start of the block: as
    /// the official code does. The same where a block is a group; worse where a block is larger.
    case blockStart
    /// Before the first column, from the original weights: groups stay neighbours in any order.
    case fixed
  }

  /// The order of the columns.
  public var order: Order
  /// When the grids of groups are found.
  public var groupGrids: GroupGrids
  /// The columns of a block.
  public var blockSize: Int
  /// λ, the share of the mean diagonal that is added.
  public var damping: Double
  /// The largest λ that is tried.
  public var maximumDamping: Double

  /// The method with the official code's numbers.
  public init(
    order: Order = .natural,
    groupGrids: GroupGrids = .fresh,
    blockSize: Int = 128,
    damping: Double = 0.01,
    maximumDamping: Double = 1
  ) {
    self.order = order
    self.groupGrids = groupGrids
    self.blockSize = blockSize
    self.damping = damping
    self.maximumDamping = maximumDamping
  }

  /// What was done to one matrix.
  public struct Report: Codable, Hashable, Sendable {
    /// λ in the end.
    public var damping = 0.0
    /// How often λ was doubled.
    public var retries = 0
    /// Inputs that were zero in all samples.
    public var deadInputCount = 0
    /// Whether no λ was large enough, and the weight was rounded to nearest instead.
    public var isRoundedToNearest = false
    /// Σ (w − q)² / (2 U_ii²), what the official code prints.
    public var loss = 0.0
    /// The mean of (ŵ − w)².
    public var meanSquaredError = 0.0
  }

  /// Rounds a weight.
  ///
  /// - Parameters:
  ///   - weight: W [N × K], finite.
  ///   - hessian: H of the layer's inputs.
  ///   - scheme: what W is rounded to, in any granularity; groups of outputs find the grid of a column
  ///     when its turn comes, so that any order keeps them neighbours.
  ///   - layer: its name, for errors.
  /// - Returns: the codes and a report.
  /// - Throws: `QuantizationError.notFinite`, `.notFiniteInputs`.
  public func quantize(
    _ weight: Tensor<Float>,
    hessian: CalibrationHessian,
    scheme: WeightScheme,
    layer: String = "weight"
  ) throws(QuantizationError) -> (matrix: QuantizedMatrix, report: Report) {
    expect(
      weight.rank == 2 && weight.shape[1] == hessian.width,
      "GPTQ: a weight \(weight.shape) for inputs of width \(hessian.width)"
    )
    expect(blockSize > 0 && damping >= 0, "GPTQ: blocks of \(blockSize), damping \(damping)")
    let h = hessian.matrix
    guard h.withUnsafeElements({ $0.allSatisfy(\.isFinite) }) else {
      throw .notFiniteInputs(layer: layer)
    }
    // The grids of whole rows come from the weights before columns without input are cleared.
    let original = try WeightGrids(weight, scheme: scheme, layer: layer)
    var report = Report()
    report.damping = damping
    while true {
      if let factor = factor(of: h, damping: report.damping, &report.deadInputCount) {
        let sweep = GPTQSweep(self, weight, factor, original)
        if let (matrix, loss) = sweep.run() {
          report.loss = loss
          return (matrix, finished(report, matrix, weight))
        }
      }
      guard report.damping < maximumDamping else { break }
      report.damping = min(max(report.damping * 2, 1e-4), maximumDamping)
      report.retries += 1
    }
    report.isRoundedToNearest = true
    let matrix = original.matrix(codes: original.codes(of: weight).codes)
    return (matrix, finished(report, matrix, weight))
  }

  private func finished(
    _ report: Report,
    _ matrix: QuantizedMatrix,
    _ weight: Tensor<Float>
  ) -> Report {
    var report = report
    report.meanSquaredError = Double((matrix.dequantized() - weight).square().mean())
    return report
  }

  /// The order of the columns, and U for it; nil where H cannot be factored.
  private func factor(
    of h: Tensor<Double>,
    damping: Double,
    _ deadInputCount: inout Int
  ) -> GPTQFactor? {
    let width = h.shape[0]
    var diagonal = h.withUnsafeElements { h in (0..<width).map { h[$0 * width + $0] } }
    let dead = diagonal.map { $0 == 0 }
    deadInputCount = dead.count { $0 }
    for index in 0..<width where dead[index] { diagonal[index] = 1 }
    let added = damping * diagonal.reduce(0, +) / Double(max(width, 1))
    let order =
      switch self.order {
      case .natural: Array(0..<width)
      case .activation:
        (0..<width).sorted {
          diagonal[$0] == diagonal[$1] ? $0 < $1 : diagonal[$0] > diagonal[$1]
        }
      }
    let damped = h.withUnsafeElements { h in
      Tensor<Double>(uninitialized: [width, width]) { target in
        for i in 0..<width {
          for j in 0..<width { target[i * width + j] = h[order[i] * width + order[j]] }
          target[i * width + i] = diagonal[order[i]] + added
        }
      }
    }
    guard let upper = try? damped.positiveDefiniteInverse().cholesky(.upper) else { return nil }
    return GPTQFactor(
      upper: Tensor(upper.elements.map { Float($0) }, shape: upper.shape),
      order: order.map { Int32($0) },
      dead: dead
    )
  }
}

/// U and the order of columns that it is for.
struct GPTQFactor {
  /// [K × K].
  let upper: Tensor<Float>
  /// The input at each place.
  let order: [Int32]
  /// Inputs that were never there.
  let dead: [Bool]
}
