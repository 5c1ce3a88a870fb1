import Foundation

/// Beam counts over the pixels of an angle, smoothed with the Gaussian kernels of the four scales.
///
/// `roots[i]` are the square roots of the four smoothed counts at pixel i: the density of a point
/// is a product of two of them, so no root is left to take for each point.
struct AngularProfile: Sendable {
  /// The width of a pixel on both axes, in degrees.
  static let pixel = 0.1
  /// The standard deviations of the kernels, in pixels.
  static let deviations = [10, 30, 50, 70]
  /// The elevation range is ±55 degrees: 1100 pixels.
  static let lowest = -55.0
  static let verticalCount = 1100
  static let horizontalCount = 3600

  let roots: [SIMD4<Double>]

  /// The smoothed counts of a channel.
  func counts(channel: Int) -> [Double] { roots.map { $0[channel] * $0[channel] } }

  /// What lies beyond the first and the last pixel.
  enum Border { case zeros, wrapped }

  /// Smooths counts; only the pixels with a count cost time.
  init(_ counts: [Double], border: Border) {
    var smoothed = Array(repeating: SIMD4<Double>(), count: counts.count)
    for (channel, deviation) in Self.deviations.enumerated() {
      let spread = Self.spread(counts, Self.kernel(deviation))
      for (place, value) in spread.enumerated() {
        let pixel = place - 3 * deviation
        switch border {
        case .zeros:
          if counts.indices.contains(pixel) { smoothed[pixel][channel] = value }
        case .wrapped:
          smoothed[(pixel + counts.count) % counts.count][channel] += value
        }
      }
    }
    roots = smoothed.map { $0.squareRoot() }
  }

  /// The full convolution of counts with a kernel, which begins half a kernel before the first.
  private static func spread(_ counts: [Double], _ kernel: [Double]) -> [Double] {
    var result = Array(repeating: 0.0, count: counts.count + kernel.count - 1)
    result.withUnsafeMutableBufferPointer { result in
      kernel.withUnsafeBufferPointer { kernel in
        for (pixel, count) in counts.enumerated() where count != 0 {
          for place in kernel.indices { result[pixel + place] += count * kernel[place] }
        }
      }
    }
    return result
  }

  /// The beams of a sensor over elevation; beams beyond ±55 degrees are left out.
  init(elevations: [Double]) {
    var counts = Array(repeating: 0.0, count: Self.verticalCount)
    for elevation in elevations {
      let place = ((elevation - Self.lowest) / Self.pixel + 1e-6).rounded(.down)
      guard place >= 0, place < Double(counts.count) else { continue }
      counts[Int(place)] += 1
    }
    self.init(counts, border: .zeros)
  }

  /// The columns of a sensor over azimuth.
  init(columnCount: Int) {
    var counts = Array(repeating: 0.0, count: Self.horizontalCount)
    for column in 0..<max(columnCount, 0) {
      let place = (Double(column) + 0.5) * Double(counts.count) / Double(columnCount)
      counts[Int(place) % counts.count] += 1
    }
    self.init(counts, border: .wrapped)
  }

  /// exp(-x² / 2σ²) for x = -3σ … 3σ, of sum 1.
  private static func kernel(_ deviation: Int) -> [Double] {
    let variance = Double(deviation * deviation)
    let values = (-3 * deviation...3 * deviation).map { exp(-Double($0 * $0) / (2 * variance)) }
    let sum = values.reduce(0, +)
    return values.map { $0 / sum }
  }
}
