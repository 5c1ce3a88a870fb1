/// How strongly a sensor's light comes back, and how exactly it measures: what a `BeamModel` does
/// not say.
///
/// A ray that meets a surface of reflectance ρ at range r gives a point with the probability
///
///     0.985 · (1 − exp(−k · ρ · cos(incidence) · (100 / max(r, 1))²))
public struct SensorReturns: Codable, Hashable, Sendable {
  /// k: how much light the sensor has to spare at 100 m.
  public var strength: Double
  /// The standard deviation of the range in metres.
  public var rangeNoise: Double

  /// A sensor of this strength k and range noise in metres.
  public init(strength: Double, rangeNoise: Double = 0.02) {
    self.strength = strength
    self.rangeNoise = rangeNoise
  }

  /// The values of the sensors that come with a beam model; others are like an HDL-32E.
  ///
  /// Choice: the VLP-32C is like the HDL-32E, and each Ouster of the middle range like an OS1-128.
  public static func typical(of sensor: String) -> SensorReturns {
    switch sensor {
    case "hdl64e": SensorReturns(strength: 95)
    case "waymoTop": SensorReturns(strength: 120)
    case "hdl32e", "vlp32c": SensorReturns(strength: 60)
    case "vlp16": SensorReturns(strength: 50, rangeNoise: 0.03)
    case "os1_128", "os1_64": SensorReturns(strength: 40, rangeNoise: 0.015)
    case "os0_128": SensorReturns(strength: 15, rangeNoise: 0.015)
    default: SensorReturns(strength: 60)
    }
  }
}
