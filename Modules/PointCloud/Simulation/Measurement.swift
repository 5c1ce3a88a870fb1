import Foundation
import Tensor

/// What a ray gives: nothing where it has no range.
struct ScanPoint {
  /// The range in metres, 0 without a return.
  var range: Float = 0
  var intensity: Float = 0
  var label: Int32 = 0
}

/// Makes returns of what rays met: whether light comes back, range noise and intensity.
struct Measurement {
  private let strength: Float
  private let rangeNoise: Float
  private let maximumRange: Float
  /// An even number for each ray.
  private let chances: Tensor<Float>
  /// A normal number for each ray's range and, after all of those, for its intensity.
  private let noise: Tensor<Float>
  private let rayCount: Int

  /// The share of rays that come back where light is no limit.
  private static let bestRate: Float = 0.985
  /// The standard deviation of the intensity, as a share of it.
  private static let intensityNoise: Float = 0.15
  /// Nothing nearer is reported, in metres.
  private static let minimumRange: Float = 1

  init(_ returns: SensorReturns, maximumRange: Double, rayCount: Int, _ generator: Philox) {
    strength = Float(returns.strength)
    rangeNoise = Float(returns.rangeNoise)
    self.maximumRange = Float(maximumRange)
    self.rayCount = rayCount
    var generator = generator
    chances = Tensor.uniform([rayCount], using: &generator)
    noise = Tensor.normal([2 * rayCount], using: &generator)
  }

  /// Calls `body` with the numbers of all rays.
  func withDraws(_ body: (RayDraws) -> Void) {
    chances.withUnsafeElements { chances in
      noise.withUnsafeElements { noise in
        guard let chances = chances.baseAddress, let noise = noise.baseAddress else { return }
        body(RayDraws(chances: chances, ranges: noise, intensities: noise + rayCount))
      }
    }
  }

  /// The return of a ray.
  ///
  /// Choice: the limits of 1 m and the largest range hold for the range with its noise.
  @inline(__always)
  func point(of ray: TracedRay, _ draws: RayDraws) -> ScanPoint {
    guard ray.range < .infinity else { return ScanPoint() }
    let index = Int(ray.index)
    let brightness = ray.reflectance * ray.cosine
    let distance = 100 / max(ray.range, 1)
    let exponent = strength * brightness * distance * distance
    // Beyond 17, 1 − exp(−x) is 1 in Float.
    let rate = exponent < 17 ? Self.bestRate * (1 - exp(-exponent)) : Self.bestRate
    guard draws.chances[index] < rate else { return ScanPoint() }
    let range = ray.range + rangeNoise * draws.ranges[index]
    guard range > Self.minimumRange, range < maximumRange else { return ScanPoint() }
    let intensity = brightness * (1 + Self.intensityNoise * draws.intensities[index])
    return ScanPoint(range: range, intensity: min(max(intensity, 0), 1), label: ray.label)
  }
}

/// The random numbers of all rays, while `Measurement` keeps them in place.
struct RayDraws {
  /// Even numbers that decide whether light comes back.
  let chances: UnsafePointer<Float>
  /// Normal numbers for the ranges.
  let ranges: UnsafePointer<Float>
  /// Normal numbers for the intensities.
  let intensities: UnsafePointer<Float>
}
