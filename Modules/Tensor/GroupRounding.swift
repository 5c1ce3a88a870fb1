import CKernels

/// The kernels of round-to-nearest over a run of weights that share a step size and a zero point.
package enum GroupRounding {
  /// code = clamp(round(x / s) + z, 0, 2^bits − 1), ties to even.
  package static func quantize(
    _ weights: UnsafeBufferPointer<Float>,
    stepSize: Float,
    zeroPoint: Float,
    bits: Int,
    into codes: UnsafeMutablePointer<UInt8>
  ) {
    guard let from = weights.baseAddress else { return }
    ck_quantize(weights.count, from, stepSize, zeroPoint, Int32(bits), codes)
  }

  /// Σ (x − s·(code − z))².
  package static func squaredError(
    _ weights: UnsafeBufferPointer<Float>,
    stepSize: Float,
    zeroPoint: Float,
    bits: Int
  ) -> Double {
    guard let from = weights.baseAddress else { return 0 }
    return ck_quantization_error(weights.count, from, stepSize, zeroPoint, Int32(bits))
  }

  /// Σ |x − s·(code − z)|^exponent, z a whole number of the grid; any larger value than `limit` once
  /// the sum has passed it.
  package static func powerError(
    _ weights: UnsafeBufferPointer<Float>,
    stepSize: Float,
    zeroPoint: Float,
    bits: Int,
    exponent: Float,
    limit: Double
  ) -> Double {
    guard let from = weights.baseAddress else { return 0 }
    return ck_quantization_power_error(
      weights.count,
      from,
      stepSize,
      zeroPoint,
      Int32(bits),
      exponent,
      limit
    )
  }

  /// The smallest and the largest weight; NaN if any weight is NaN or infinite.
  package static func extrema(
    _ weights: UnsafeBufferPointer<Float>
  ) -> (minimum: Float, maximum: Float) {
    var exponents: UInt32 = 0
    for weight in weights {
      // All exponent bits set means NaN or infinite.
      exponents = max(exponents, weight.bitPattern & 0x7F80_0000)
    }
    guard exponents != 0x7F80_0000 else { return (.nan, .nan) }
    var (minimum, maximum) = (Float.infinity, -Float.infinity)
    if let from = weights.baseAddress { ck_min_max(weights.count, from, &minimum, &maximum) }
    return (minimum, maximum)
  }
}
