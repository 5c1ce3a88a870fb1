/// What is known of a spinning LiDAR: where its beams point, and how far it sees.
///
/// Everything that depends on the sensor (beam density, simulation, beam sampling) reads it from
/// here, so a new sensor needs a new value and no new code.
public struct BeamModel: Codable, Hashable, Sendable {
  /// The name that commands use, such as `hdl64e`.
  public var name: String
  /// The elevation of each beam in degrees, the topmost first: ring i points to elevations[i].
  public var elevations: [Double]
  /// The firings of a beam in a turn.
  public var columnCount: Int
  /// The height of the sensor above the road in metres.
  public var mountHeight: Double
  /// The range up to which returns are reported, in metres.
  public var maximumRange: Double

  /// A sensor of beams at these elevations, in degrees.
  public init(
    name: String,
    elevations: [Double],
    columnCount: Int,
    mountHeight: Double,
    maximumRange: Double
  ) {
    self.name = name
    self.elevations = elevations
    self.columnCount = columnCount
    self.mountHeight = mountHeight
    self.maximumRange = maximumRange
  }

  /// The number of beams.
  public var beamCount: Int { elevations.count }
}
