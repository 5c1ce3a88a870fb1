import Foundation
package import Tensor

/// A simulated LiDAR: scans of streets with labels, for any beam model.
///
/// Each ray of the sensor meets the nearest surface of the street; it may slip through bicycles and
/// fences, and gets into foliage by chance. What comes back depends on range, reflectance and the
/// angle of incidence. Points have the sensor's own frame: as it is slightly tilted, the ground
/// seems to be.
///
/// All chance belongs to the ray (and the part of the scene that it meets), so a scan is the same
/// on any number of threads.
///
/// - Complexity: O(rays · parts that lie in their direction).
public struct LidarSimulator: Sendable {
  /// The sensor.
  public var model: BeamModel
  /// How strongly and how exactly it measures.
  public var returns: SensorReturns

  /// A simulator of this sensor.
  ///
  /// - Parameters:
  ///   - model: The sensor's beams and its place on the vehicle.
  ///   - mountHeight: Its height above the road in metres, in place of the model's.
  ///   - returns: How it measures; by default what is typical of the model's name.
  public init(model: BeamModel, mountHeight: Double? = nil, returns: SensorReturns? = nil) {
    self.model = model
    if let mountHeight { self.model.mountHeight = mountHeight }
    self.returns = returns ?? .typical(of: model.name)
  }

  /// A scan of the street: ring after ring, the topmost first, each counterclockwise from ahead.
  ///
  /// The seed decides on the sensor's tilt, the first column's azimuth and all noise.
  ///
  /// - Returns: Positions in the sensor's frame, intensity in 0...1, rings, and SemanticKITTI's raw
  ///   labels.
  public func scan(_ scene: StreetScene, seed: UInt64) -> LidarScan {
    let generator = Philox(seed: seed)
    var dice = SceneDice(generator.fork(0))
    let offset = dice.uniform(0, 1)
    let pose = SensorPose(scene.layout, height: model.mountHeight, &dice)
    return scan(scene, from: pose, offset: offset, generator.fork(1))
  }

  /// A scan from a given pose, with the first column at this share of a column.
  package func scan(
    _ scene: StreetScene,
    from pose: SensorPose,
    offset: Double = 0,
    _ generator: Philox
  ) -> LidarScan {
    checkModel(pose)
    let grid = RayGrid(model, offset: offset)
    let measurement = Measurement(
      returns,
      maximumRange: model.maximumRange,
      rayCount: grid.count,
      generator.fork(1)
    )
    let tracer = StreetTracer(scene, pose: pose, grid: grid, dice: generator.fork(0))
    return tracer.scan(measurement)
  }

  private func checkModel(_ pose: SensorPose) {
    expect(
      model.columnCount > 0 && model.beamCount < (1 << 28) / model.columnCount,
      "lidar simulator: \(model.beamCount) beams × \(model.columnCount) columns"
    )
    expect(
      model.elevations.allSatisfy { abs($0) <= 90 },
      "lidar simulator: elevations are within ±90°, found \(model.elevations)"
    )
    expect(
      pose.position.z >= 0.3,
      "lidar simulator: the sensor's height is \(pose.position.z) m, at least 0.3 m is needed"
    )
  }
}
