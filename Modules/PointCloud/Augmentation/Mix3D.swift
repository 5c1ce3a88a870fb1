public import Tensor

/// Joins a scan with a second one that was moved along the driving direction and turned.
///
///     p' = R(angle) · (p + (shift, 0, 0))      for the points of the second scan
///
/// The parts are denser than either sensor sees alone, and stand where no car stands; each point
/// keeps its label and the density that its own sensor has there.
///
/// - Source: Nekrasov et al. 2021, "Mix3D"; enhanced in Kim et al. 2024, "Rethinking LiDAR Domain
///   Generalization".
/// - Choice: the ranges, and that half of the second scans are not turned.
public struct Mix3D: Codable, Hashable, Sendable {
  /// How likely a scan is joined with another.
  public var probability: Double
  /// How far the second scan is moved along x, in metres.
  public var shift: ClosedRange<Double>
  /// How far it is turned about z, in degrees.
  public var rotation: ClosedRange<Double>
  /// How likely it is turned at all.
  public var rotationProbability: Double

  /// Mixing with the paper's probability.
  public init(
    probability: Double = 0.5,
    shift: ClosedRange<Double> = -20...20,
    rotation: ClosedRange<Double> = -180...180,
    rotationProbability: Double = 0.5
  ) {
    self.probability = probability
    self.shift = shift
    self.rotation = rotation
    self.rotationProbability = rotationProbability
  }

  /// Whether to mix this time: draw it before the second scan is read.
  public func isDrawn(using generator: inout Philox) -> Bool { generator.isDrawn(probability) }

  /// The cloud and the moved second one together, without the points outside of `crop`.
  ///
  /// The crop drops, whatever its mode: moved points would pile up at its walls.
  public func callAsFunction(
    _ cloud: DensityCloud,
    with other: DensityCloud,
    crop: CropVolume?,
    using generator: inout Philox
  ) -> DensityCloud {
    var motion = GroundMotion()
    motion.shift = generator.uniform(in: shift)
    let angle = generator.uniform(in: rotation)
    if generator.isDrawn(rotationProbability) { motion.rotate(degrees: angle) }
    var second = other
    second.positions = motion(other.positions)
    let joined = cloud.joined(with: second)
    return crop?.with(.drop)(joined) ?? joined
  }
}
