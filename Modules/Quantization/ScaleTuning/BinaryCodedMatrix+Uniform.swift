import Tensor

extension BinaryCodedMatrix {
  /// A uniform matrix as binary codes: the same values to rounding.
  ///
  /// With the code's bits β, code = Σ 2^i β_i and B_i = 2 β_i − 1:
  ///
  ///     ŵ = s · (code − z) = Σ α_i B_i + o,   α_i = s · 2^(i−1),   o = Σ α_i − s · z
  ///
  /// for i = 0 … bits − 1, so plane i is bit i of the code and the last plane has the largest scale.
  ///
  /// - Source: the conversion in LUT-GEMM's official code.
  /// - Throws: `QuantizationError.invalidScheme` for groups of outputs, and for groups of inputs that
  ///   are no neighbours.
  public init(uniform matrix: QuantizedMatrix) throws(QuantizationError) {
    let grids = try matrix.gridsOfInputGroups("a binary-coded matrix")
    var groupSize: Int?
    if case .inputGroups(let size) = matrix.scheme.granularity {
      guard matrix.inputOrder == nil else {
        throw .invalidScheme("a binary-coded matrix holds groups of neighbouring inputs only")
      }
      groupSize = size
    }
    let bits = matrix.scheme.grid.bits
    // Σ 2^(i−1) − z: a half-integer, so s is rounded once.
    let middle = Float(matrix.scheme.grid.maximumCode) / 2
    let steps = grids.stepSizes.elements
    let offsets = zip(steps, grids.zeroPoints.elements).map { $0 * (middle - Float($1)) }
    let scales = steps.flatMap { step in (0..<bits).map { step / 2 * Float(1 << $0) } }
    let groups = grids.stepSizes.shape
    self.init(
      columnCount: matrix.shape[1],
      groupSize: groupSize,
      words: Self.words(of: matrix.codes(), planeCount: bits),
      scales: Tensor(scales, shape: [groups[0], groups[1], bits]),
      offsets: Tensor(offsets, shape: groups)
    )
  }
}
