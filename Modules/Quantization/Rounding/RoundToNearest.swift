public import Tensor

/// Round to nearest (RTN): every weight goes to the closest point of its group's grid.
///
///     s = (mx − mn) / (2^b − 1),  z = round(−mn / s)
///     code = clamp(round(w / s) + z, 0, 2^b − 1),  ŵ = s · (code − z)
///
/// with mn ≤ 0 ≤ mx the range of the group (symmetric grids: mx = −mn = max|w|, z = 2^(b−1)) and
/// round taking halves to even. The range is the group's own, or a fraction of it that leaves the
/// smallest squared error (`RangeEstimation`).
///
/// - Shapes: weight [N × K]; s and z as the granularity says.
/// - Source: the quantizer of GPTQ's official code (Frantar et al. 2023), which is also PEQA's start.
/// - Deviation: a symmetric group without negative weights is mirrored too; the official code leaves
///   mn = 0 there and saturates near half the range.
/// - Complexity: O(N·K); 80 times that with `.meanSquaredError`, up to 100 · 2^b times with
///   `.flexRoundSearch`, of which most candidates are given up early.
public struct RoundToNearest: Hashable, Sendable {
  /// What weights are rounded to.
  public let scheme: WeightScheme

  /// A rounding to `scheme`.
  public init(_ scheme: WeightScheme) { self.scheme = scheme }

  /// A weight matrix [N × K] rounded to the grid, and how far it moved.
  ///
  /// - Parameters:
  ///   - weight: [N × K], finite.
  ///   - layer: its name, for errors.
  /// - Returns: the codes, and the mean of (ŵ − w)².
  /// - Throws: `QuantizationError.notFinite` if a weight is NaN or infinite.
  public func quantize(
    _ weight: Tensor<Float>,
    layer: String = "weight"
  ) throws(QuantizationError) -> (matrix: QuantizedMatrix, meanSquaredError: Double) {
    let grids = try WeightGrids(weight, scheme: scheme, layer: layer)
    let (codes, error) = grids.codes(of: weight)
    return (grids.matrix(codes: codes), weight.count == 0 ? 0 : error / Double(weight.count))
  }
}
