import Testing

/// Reproducible inputs for kernel tests: SplitMix64, the same numbers on every machine.
struct KernelSamples {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func bits() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Uniform in [-limit, limit), a multiple of 2⁻²³ · limit.
  mutating func float(_ limit: Float = 1) -> Float {
    limit * (Float(bits() >> 40) / Float(1 << 23) - 1)
  }

  mutating func floats(_ count: Int, _ limit: Float = 1) -> [Float] {
    (0..<count).map { _ in float(limit) }
  }

  mutating func codes(_ count: Int, bits width: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: bits() >> 32) & UInt8((1 << width) - 1) }
  }
}

/// Fails when an element is further from its oracle than `tolerance` times its scale.
///
/// The scale of a sum is the sum of its terms' magnitudes: what rounding errors are proportional to.
func expectKernel(
  _ found: [Float],
  near expected: [Double],
  scale: [Double],
  tolerance: Double = 1e-5,
  _ name: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(found.count == expected.count, sourceLocation: sourceLocation)
  for (index, value) in found.enumerated() {
    let error = abs(Double(value) - expected[index])
    guard error <= tolerance * (scale[index] + 1e-30) else {
      Issue.record(
        "\(name): element \(index) is \(value), expected \(expected[index]), error \(error)",
        sourceLocation: sourceLocation
      )
      return
    }
  }
}

/// Sizes on both sides of every vector and tile width.
let kernelSizes = [0, 1, 3, 4, 7, 8, 15, 16, 17, 31, 33, 63, 65, 130, 1000]
