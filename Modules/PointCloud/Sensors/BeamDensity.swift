import Foundation
public import Tensor

/// How densely a sensor's beams hit what it sees: four numbers for each point, without neighbours.
///
///     Dₖ(p) = √(Bhₖ[j] · Bvₖ[i] / r²)          k = 1 … 4
///
/// Bv counts the beams over elevation and Bh the columns over azimuth, both smoothed with a
/// Gaussian of 1, 3, 5 and 7 degrees; i and j are the point's pixels of 0.1 degrees, r its range,
/// at least 0.5 m. D² is the number of beams in a pixel over r², so the density of hits on a
/// surface that faces the sensor. Positions must be in the frame of the sensor that saw them.
///
/// A point that is not finite has density 0. Beams beyond ±55 degrees of elevation count nowhere,
/// points beyond have the density of the border.
///
/// - Shapes: positions [P × 3], density [P × 4].
/// - Source: Kim et al. 2024, "Rethinking LiDAR Domain Generalization", beam density embedding.
/// - Choice: pixel width, ranges and borders; no source gives them.
/// - Complexity: O(P); the profiles cost about 4 million multiplications once a sensor.
public struct BeamDensity: Sendable {
  /// The number of scales, so of numbers for each point.
  public static let channelCount = 4
  /// The least range that a point is taken to have, in metres.
  public static let minimumRange = 0.5

  /// The sensor.
  public let model: BeamModel
  let vertical: AngularProfile
  let horizontal: AngularProfile

  /// The densities of a sensor.
  public init(_ model: BeamModel) {
    self.model = model
    vertical = AngularProfile(elevations: model.elevations)
    horizontal = AngularProfile(columnCount: model.columnCount)
  }

  /// The smoothed counts of a channel over elevation [1100] and azimuth [3600].
  package func profiles(channel: Int) -> (vertical: [Double], horizontal: [Double]) {
    (vertical.counts(channel: channel), horizontal.counts(channel: channel))
  }

  /// The density at each position [P × 3] of the sensor's frame: [P × 4].
  public func callAsFunction(_ positions: Tensor<Float>) -> Tensor<Float> {
    expect(
      positions.rank == 2 && positions.shape[1] == 3,
      "beam density: positions are [P × 3], found \(positions.shape)"
    )
    return Tensor(uninitialized: [positions.shape[0], Self.channelCount]) { target in
      positions.withUnsafeElements { points in
        WorkPool.forEachRange(count: positions.shape[0], grain: 4096) { range in
          for index in range {
            let density = density(
              Double(points[3 * index]),
              Double(points[3 * index + 1]),
              Double(points[3 * index + 2])
            )
            for channel in 0..<4 { target[4 * index + channel] = Float(density[channel]) }
          }
        }
      }
    }
  }

  /// The density of a scan's points [P × 4].
  public func callAsFunction(_ scan: LidarScan) -> Tensor<Float> { self(scan.positions) }

  /// The density [4] at a range in metres, an elevation and an azimuth in degrees.
  public func density(atRange range: Double, elevation: Double, azimuth: Double = 0) -> [Float] {
    let (e, a) = (elevation * .pi / 180, azimuth * .pi / 180)
    let density = density(range * cos(e) * cos(a), range * cos(e) * sin(a), range * sin(e))
    return (0..<Self.channelCount).map { Float(density[$0]) }
  }

  private func density(_ x: Double, _ y: Double, _ z: Double) -> SIMD4<Double> {
    let norm = (x * x + y * y + z * z).squareRoot()
    guard norm.isFinite else { return SIMD4() }
    // Rounding may carry the sine of the zenith above 1.
    let elevation = norm > 0 ? asin(min(max(z / norm, -1), 1)) * (180 / .pi) : 0
    var azimuth = atan2(y, x) * (180 / .pi)
    if azimuth < 0 { azimuth += 360 }
    let row = Int(((elevation - AngularProfile.lowest) / AngularProfile.pixel).rounded(.down))
    let column = Int(azimuth / AngularProfile.pixel) % AngularProfile.horizontalCount
    let i = min(max(row, 0), AngularProfile.verticalCount - 1)
    return vertical.roots[i] * horizontal.roots[column] / max(norm, Self.minimumRange)
  }
}
