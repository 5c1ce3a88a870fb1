import Foundation
import Tensor

/// Where a sensor is in a street, and how it is tilted.
///
/// A direction d of the sensor's frame is R·d in the world, R = Ry(pitch) · Rx(roll): a positive
/// pitch lowers the sensor's front, a positive roll raises its left side.
package struct SensorPose: Hashable, Sendable {
  /// The place in the world, in metres.
  package var position: SIMD3<Double>
  /// The turn about the sensor's y axis, in radians.
  package var pitch: Double
  /// The turn about the sensor's x axis, in radians.
  package var roll: Double

  package init(position: SIMD3<Double>, pitch: Double = 0, roll: Double = 0) {
    self.position = position
    self.pitch = pitch
    self.roll = roll
  }

  /// The standard deviation of pitch and roll, in radians.
  private static let tiltDeviation = 0.4 * Double.pi / 180

  /// A sensor at this height on the vehicle of a street, tilted at random.
  init(_ layout: StreetLayout, height: Double, _ dice: inout SceneDice) {
    self.init(
      position: SIMD3(0, layout.sensorOffset, height),
      pitch: dice.normal(0, Self.tiltDeviation),
      roll: dice.normal(0, Self.tiltDeviation)
    )
  }

  /// An angle that no direction is turned by more, in radians.
  var tilt: Double { abs(pitch) + abs(roll) }

  /// The columns of R: the sensor's axes in the world.
  var axes: (x: SIMD3<Double>, y: SIMD3<Double>, z: SIMD3<Double>) {
    let (cp, sp, cr, sr) = (cos(pitch), sin(pitch), cos(roll), sin(roll))
    return (SIMD3(cp, 0, -sp), SIMD3(sp * sr, cr, cp * sr), SIMD3(sp * cr, -sr, cp * cr))
  }
}
