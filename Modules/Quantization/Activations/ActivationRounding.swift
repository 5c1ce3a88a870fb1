public import Tensor

/// Which range a dynamic quantizer of activations covers.
public enum ActivationRange: String, Codable, Hashable, Sendable, CaseIterable {
  /// From the smallest to the largest value, zero included.
  case includingZero
  /// From the smallest to the largest value, as LRQ's released code does: a token of one sign
  /// saturates at the width of its range. For comparisons only.
  case official
}

/// Activations as codes, with a step size and a zero point for each run of values that share them.
///
///     s = max((mx − mn) / L, 10⁻⁸)      z = clamp(round(−mn / s), 0, L)      L = 2^bits − 1
///     code = clamp(round(x / s) + z, 0, L)                     x̂ = s · (code − z)
///
/// Dynamic codes per token are what W4A8 multiplies and what an 8-bit key/value cache stores. A run
/// is a token, or a head of a token.
///
/// - Shapes: codes [… × K]; step sizes and zero points [… × heads], 1 for whole tokens.
/// - Source: Lee et al. 2025 (LRQ), per-token asymmetric quantization, and its official code.
/// - Deviation: the range includes zero unless `ActivationRange.official` is asked for.
public struct QuantizedActivations: Sendable {
  /// Bits of a code, 1 to 8.
  public let bits: Int
  /// The codes.
  public let codes: Tensor<UInt8>
  /// s.
  public let stepSizes: Tensor<Float>
  /// z.
  public let zeroPoints: Tensor<UInt8>

  /// Quantizes the runs of the last axis.
  ///
  /// - Parameters:
  ///   - values: [… × K].
  ///   - bits: of a code, 1 to 8.
  ///   - range: what a run's codes cover.
  ///   - headCount: the runs that K is cut into: 1 for a token, or the heads of keys and values.
  public init(
    _ values: Tensor<Float>,
    bits: Int = 8,
    range: ActivationRange = .includingZero,
    headCount: Int = 1
  ) {
    let grid = ActivationGrid(values, bits: bits, range: range, headCount: headCount)
    self.bits = bits
    let outer = Array(values.shape.extents.dropLast())
    let shape = Shape(outer + [headCount])
    stepSizes = grid.stepSizes.reshaped(to: shape)
    zeroPoints = Tensor(grid.zeroPoints.elements.map { UInt8($0) }, shape: shape)
    codes = grid.codes(of: values)
  }

  /// x̂ [… × K].
  public func dequantized() -> Tensor<Float> {
    let (steps, zeros) = (stepSizes.elements, zeroPoints.elements.map(Float.init))
    let width = codes.count / max(steps.count, 1)
    return codes.withUnsafeElements { codes in
      Tensor(uninitialized: self.codes.shape) { target in
        for run in steps.indices {
          for place in run * width..<(run + 1) * width {
            target[place] = steps[run] * (Float(codes[place]) - zeros[run])
          }
        }
      }
    }
  }

  /// The bytes of codes packed to `bits`, step sizes in single precision and zero points.
  public var byteCount: Int { (codes.count * bits + 7) / 8 + stepSizes.count * 5 }
}

/// Step sizes and zero points of runs of activations.
///
/// - Shapes: both [runs × 1].
struct ActivationGrid {
  let bits: Int
  let stepSizes: Tensor<Float>
  let zeroPoints: Tensor<Float>
  let width: Int

  var maximumCode: Float { Float((1 << bits) - 1) }

  init(_ values: Tensor<Float>, bits: Int, range: ActivationRange, headCount: Int) {
    expect(
      values.rank > 0 && headCount > 0 && values.shape[-1] % headCount == 0,
      "quantize activations: \(headCount) heads do not divide \(values.shape)"
    )
    expect((1...8).contains(bits), "quantize activations: \(bits) bits, 1 to 8 are needed")
    self.bits = bits
    width = values.shape[-1] / headCount
    let runs = values.reshaped(to: [values.count / max(width, 1), width])
    var minimum = runs.min(axes: [1], keepingDimensions: true)
    var maximum = runs.max(axes: [1], keepingDimensions: true)
    if range == .includingZero {
      minimum = minimum.clamped(to: -.infinity...0)
      maximum = maximum.clamped(to: 0 ... .infinity)
    }
    let top = Float((1 << bits) - 1)
    stepSizes = ((maximum - minimum) / top).clamped(to: 1e-8 ... .infinity)
    zeroPoints = (minimum * -1 / stepSizes).rounded().clamped(to: 0...top)
  }

  init(bits: Int, stepSizes: Tensor<Float>, zeroPoints: Tensor<Float>, width: Int) {
    self.bits = bits
    self.stepSizes = stepSizes
    self.zeroPoints = zeroPoints
    self.width = width
  }

  /// Rounding of [runs × width], one grid per run.
  var rounding: RoundingRows {
    let lows = zeroPoints * -1
    return RoundingRows(
      layout: GroupLayout(
        rowCount: stepSizes.count,
        columnCount: width,
        rowsPerGroup: 1,
        columnsPerGroup: width
      ),
      base: stepSizes,
      first: .zeros(stepSizes.shape),
      steps: stepSizes,
      lows: lows,
      highs: lows + maximumCode
    )
  }

  func codes(of values: Tensor<Float>) -> Tensor<UInt8> {
    var codes = Tensor<UInt8>.zeros(values.shape)
    values.withUnsafeElements { values in
      codes.withUnsafeMutableElements { codes in
        stepSizes.withUnsafeElements { steps in
          zeroPoints.withUnsafeElements { zeros in
            WorkPool.forEachRange(count: steps.count, grain: max(1, 16_384 / max(width, 1))) {
              for run in $0 {
                guard let to = codes.baseAddress else { return }
                GroupRounding.quantize(
                  UnsafeBufferPointer(rebasing: values[run * width..<(run + 1) * width]),
                  stepSize: steps[run],
                  zeroPoint: zeros[run],
                  bits: bits,
                  into: to + run * width
                )
              }
            }
          }
        }
      }
    }
    return codes
  }
}
