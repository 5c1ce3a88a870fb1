public import Tensor

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// How a model stretches its rotary frequencies beyond the length it was trained on.
public enum RotaryScaling: Codable, Hashable, Sendable {
  /// θ as it is.
  case none
  /// θ / factor.
  case linear(factor: Float)
  /// Llama 3: long wavelengths are divided by `factor`, short ones kept, with a ramp between.
  case llama3(
    factor: Float,
    lowFrequencyFactor: Float,
    highFrequencyFactor: Float,
    originalLength: Float
  )
  /// A divisor for each frequency, as GGUF files store Llama 3's.
  case divisors([Float])
}

/// Rotary position embedding in the half-rotation layout: pairs (i, i + d/2) turn by position · θ_i.
///
///     θ_i = base^(−2i/d), i = 0 … d/2 − 1
///     x'_i = x_i cos − x_{i+d/2} sin,  x'_{i+d/2} = x_{i+d/2} cos + x_i sin
///
/// - Source: Su et al. 2021, "RoFormer", section 3.4; angles in float32 from float32 frequencies,
///   as the transformers library computes them.
public struct RotaryEmbedding: Codable, Hashable, Sendable {
  /// d, the width of a head.
  public let headWidth: Int
  /// θ [d/2], after scaling.
  public let frequencies: [Float]

  /// The frequencies for heads of `headWidth` (even).
  public init(headWidth: Int, base: Float, scaling: RotaryScaling = .none) {
    expect(headWidth % 2 == 0, "rotary embedding: a head width of \(headWidth) is odd")
    self.headWidth = headWidth
    let plain = (0..<headWidth / 2).map { index in
      1 / powf(base, Float(2 * index) / Float(headWidth))
    }
    frequencies = Self.scaled(plain, by: scaling)
  }

  private static func scaled(_ frequencies: [Float], by scaling: RotaryScaling) -> [Float] {
    switch scaling {
    case .none:
      return frequencies
    case .linear(let factor):
      return frequencies.map { $0 / factor }
    case .divisors(let divisors):
      return zip(frequencies, divisors).map { $0 / $1 }
    case .llama3(let factor, let low, let high, let length):
      return frequencies.map { frequency in
        let wavelength = Self.wavelength(frequency)
        if wavelength < length / high { return frequency }
        if wavelength > length / low { return frequency / factor }
        let smooth = ((1 / wavelength) * length - low) / (high - low)
        return (1 - smooth) * frequency / factor + smooth * frequency
      }
    }
  }

  /// The positions of one turn.
  ///
  /// The last bits are torch's, which divides a number by a tensor through its reciprocal, and whose
  /// 2π is rounded to nearest (`Float.pi` is rounded towards zero).
  package static func wavelength(_ frequency: Float) -> Float {
    (1 / frequency) * Float(2 * Double.pi)
  }

  /// The cosines and sines for `count` positions from `first` on; one table serves all layers.
  public func table(first: Int, count: Int) -> RotaryTable {
    table(positions: (first..<first + count).map { Int32($0) })
  }

  /// The cosines and sines of any positions, one row for each.
  public func table(positions: [Int32]) -> RotaryTable {
    let (half, count) = (frequencies.count, positions.count)
    var sines = Tensor<Float>.zeros([count, half])
    let cosines = Tensor<Float>(uninitialized: [count, half]) { cosines in
      sines.withUnsafeMutableElements { sines in
        for row in 0..<count {
          let position = Float(positions[row])
          for index in 0..<half {
            let angle = position * frequencies[index]
            cosines[row * half + index] = cosf(angle)
            sines[row * half + index] = sinf(angle)
          }
        }
      }
    }
    return RotaryTable(cosines: cosines, sines: sines)
  }
}

/// The cosines and sines of positions, a row for each.
///
/// - Shapes: both [T × d/2].
public struct RotaryTable: Sendable {
  /// cos(position · θ).
  public let cosines: Tensor<Float>
  /// sin(position · θ).
  public let sines: Tensor<Float>

  /// Turns every head of every row; x [T × (H·d)].
  public func callAsFunction(_ input: Tensor<Float>) -> Tensor<Float> {
    input.rotatedHalves(cosines: cosines, sines: sines)
  }
}
