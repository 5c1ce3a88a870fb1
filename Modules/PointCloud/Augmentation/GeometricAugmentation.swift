public import Tensor

/// Turns a cloud about the vertical, mirrors it and changes its size; densities stay.
///
/// - Source: DGLSS (Kim et al. 2023): the angle is even over a turn, none, x, y or both are
///   mirrored with equal chance, the factor is even over the range.
public struct GeometricAugmentation: Codable, Hashable, Sendable {
  /// How far a cloud is turned about z, in degrees.
  public var rotation: ClosedRange<Double>
  /// Whether clouds are mirrored.
  public var mirrors: Bool
  /// The factor of all coordinates.
  public var scale: ClosedRange<Double>

  /// The usual augmentation.
  public init(
    rotation: ClosedRange<Double> = 0...360,
    mirrors: Bool = true,
    scale: ClosedRange<Double> = 0.95...1.05
  ) {
    self.rotation = rotation
    self.mirrors = mirrors
    self.scale = scale
  }

  /// A cloud turned, then mirrored, then scaled.
  public func callAsFunction(
    _ cloud: DensityCloud,
    using generator: inout Philox
  ) -> DensityCloud {
    var motion = GroundMotion()
    motion.rotate(degrees: generator.uniform(in: rotation))
    let flips = generator.integer(below: 4)
    if mirrors { motion.flip(x: flips & 1 == 1, y: flips & 2 == 2) }
    motion.scale(by: generator.uniform(in: scale))
    var result = cloud
    result.positions = motion(cloud.positions)
    return result
  }
}
