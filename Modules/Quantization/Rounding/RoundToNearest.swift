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
/// - Complexity: O(N·K), 80 times that with `.meanSquaredError`.
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
    expect(weight.rank == 2, "quantize: a matrix is needed, found \(weight.shape)")
    let (rows, columns) = (weight.shape[0], weight.shape[1])
    let scaleShape = scheme.granularity.scaleShape(for: weight.shape)
    let groupSize = scheme.granularity.groupSize(columnCount: columns)
    var steps = Tensor<Float>.zeros(scaleShape)
    var zeros = Tensor<Float>.zeros(scaleShape)
    var failedRow: Int?
    if scheme.granularity == .tensor {
      let found = weight.withUnsafeElements { step(for: $0) }
      if let found {
        (steps, zeros) = (
          Tensor([found.size], shape: [1, 1]), Tensor([found.zero], shape: [1, 1])
        )
      } else {
        failedRow = 0
      }
    } else {
      failedRow = findSteps(weight, groupSize: groupSize, steps: &steps, zeros: &zeros)
    }
    if let failedRow { throw .notFinite(layer: layer, row: failedRow) }

    var codes = Tensor<UInt8>.zeros([rows, columns])
    let error = round(weight, groupSize: groupSize, steps: steps, zeros: zeros, into: &codes)
    let matrix = QuantizedMatrix(
      scheme: scheme,
      columnCount: columns,
      words: PackedRows.packing(codes, bits: scheme.grid.bits),
      stepSizes: steps,
      zeroPoints: scheme.grid.isSymmetric
        ? nil : Tensor(zeros.elements.map { UInt8($0) }, shape: scaleShape)
    )
    return (matrix, weight.count == 0 ? 0 : error / Double(weight.count))
  }

  /// The step size and zero point of one group; nil if its range overflows or is not finite.
  private func step(for group: UnsafeBufferPointer<Float>) -> (size: Float, zero: Float)? {
    let found = GroupRounding.extrema(group)
    guard !found.minimum.isNaN else { return nil }
    let range = scheme.grid.range(covering: found.minimum, found.maximum)
    guard (range.maximum - range.minimum).isFinite else { return nil }
    let plain = step(range, shrunkTo: 1)
    guard plain.size.isFinite else { return nil }
    guard scheme.range == .meanSquaredError else { return plain }
    var best = plain
    var bestError = Double.infinity
    for index in 0..<80 {
      let candidate = step(range, shrunkTo: 1 - Float(index) / 100)
      let error = GroupRounding.squaredError(
        group,
        stepSize: candidate.size,
        zeroPoint: candidate.zero,
        bits: scheme.grid.bits
      )
      if error < bestError { (best, bestError) = (candidate, error) }
    }
    return best
  }

  private func step(
    _ range: (minimum: Float, maximum: Float),
    shrunkTo fraction: Float
  ) -> (size: Float, zero: Float) {
    let span = fraction * (range.maximum - range.minimum)
    let size = scheme.scaleType.stored(span / Float(scheme.grid.maximumCode))
    return (size, scheme.grid.zeroPoint(minimum: fraction * range.minimum, stepSize: size))
  }

  /// Fills the step sizes and zero points row by row; returns the first row that is not finite.
  private func findSteps(
    _ weight: Tensor<Float>,
    groupSize: Int,
    steps: inout Tensor<Float>,
    zeros: inout Tensor<Float>
  ) -> Int? {
    let (rows, columns, groups) = (weight.shape[0], weight.shape[1], steps.shape[1])
    var failed = Tensor<Bool>.zeros([rows])
    weight.withUnsafeElements { weights in
      steps.withUnsafeMutableElements { steps in
        zeros.withUnsafeMutableElements { zeros in
          failed.withUnsafeMutableElements { failed in
            WorkPool.forEach(parts: rows) { row in
              for group in 0..<groups {
                let start = row * columns + group * groupSize
                let end = min(start + groupSize, (row + 1) * columns)
                let values = UnsafeBufferPointer(rebasing: weights[start..<end])
                guard let step = step(for: values) else {
                  failed[row] = true
                  continue
                }
                steps[row * groups + group] = step.size
                zeros[row * groups + group] = step.zero
              }
            }
          }
        }
      }
    }
    return failed.elements.firstIndex(of: true)
  }

  /// Writes the codes and returns Σ (ŵ − w)².
  private func round(
    _ weight: Tensor<Float>,
    groupSize: Int,
    steps: Tensor<Float>,
    zeros: Tensor<Float>,
    into codes: inout Tensor<UInt8>
  ) -> Double {
    let (rows, columns) = (weight.shape[0], weight.shape[1])
    let (stepSizes, zeroPoints) = (steps.elements, zeros.elements)
    let groups = scheme.granularity == .tensor ? 1 : steps.shape[1]
    let bits = scheme.grid.bits
    var errors = Tensor<Double>.zeros([rows])
    weight.withUnsafeElements { weights in
      codes.withUnsafeMutableElements { codes in
        errors.withUnsafeMutableElements { errors in
          WorkPool.forEach(parts: rows) { row in
            for group in 0..<groups {
              let start = row * columns + group * groupSize
              let end = min(start + groupSize, (row + 1) * columns)
              guard start < end, let target = codes.baseAddress else { continue }
              let values = UnsafeBufferPointer(rebasing: weights[start..<end])
              let index = scheme.granularity == .tensor ? 0 : row * groups + group
              let (size, zero) = (stepSizes[index], zeroPoints[index])
              GroupRounding.quantize(
                values,
                stepSize: size,
                zeroPoint: zero,
                bits: bits,
                into: target + start
              )
              errors[row] += GroupRounding.squaredError(
                values,
                stepSize: size,
                zeroPoint: zero,
                bits: bits
              )
            }
          }
        }
      }
    }
    return errors.elements.reduce(0, +)
  }
}
