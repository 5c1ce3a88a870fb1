import Foundation

extension BeamModel {
  /// Velodyne HDL-64E, the sensor of KITTI and SemanticKITTI: an upper and a lower block of lasers.
  public static let hdl64e = BeamModel(
    name: "hdl64e",
    elevations: evenly(32, from: 2, step: 1 / 3.0) + evenly(32, from: -8.83, step: 0.5),
    columnCount: 2083,
    mountHeight: 1.73,
    maximumRange: 120
  )

  /// Velodyne HDL-32E, the sensor of nuScenes.
  public static let hdl32e = BeamModel(
    name: "hdl32e",
    elevations: evenly(32, from: 10.67, step: 1.3336),
    columnCount: 1085,
    mountHeight: 1.84,
    maximumRange: 100
  )

  /// Velodyne VLP-16 (Puck).
  public static let vlp16 = BeamModel(
    name: "vlp16",
    elevations: evenly(16, from: 15, step: 2),
    columnCount: 1800,
    mountHeight: 1.8,
    maximumRange: 100
  )

  /// Velodyne VLP-32C (Ultra Puck), as measured on RELLIS-3D.
  ///
  /// Choice: the height is a car's roof; no source gives one.
  public static let vlp32c = BeamModel(
    name: "vlp32c",
    elevations: [
      15, 10.333, 7, 4.667, 3.333, 2.333, 1.667, 1.333, 1, 0.667, 0.333, 0, -0.333, -0.667, -1,
      -1.333, -1.667, -2, -2.333, -2.667, -3, -3.333, -3.667, -4, -4.667, -5.333, -6.148, -7.254,
      -8.843, -11.31, -15.639, -25,
    ],
    columnCount: 1800,
    mountHeight: 1.8,
    maximumRange: 200
  )

  /// The top LiDAR of Waymo's cars.
  ///
  /// The elevations are a stand-in for the 64 unevenly spaced ones between 2.4 and -17.6 degrees.
  public static let waymoTop = BeamModel(
    name: "waymoTop",
    elevations: (0..<64).map { 2.4 - 20 * pow(Double($0) / 63, 1.35) },
    columnCount: 2560,
    mountHeight: 2.18,
    maximumRange: 75
  )

  /// Ouster OS1-128 at 2048 columns, nominal: real units differ by up to 1.5 degrees.
  public static let os1x128 = BeamModel(
    name: "os1_128",
    elevations: evenly(128, from: 22.5, step: 45 / 127.0),
    columnCount: 2048,
    mountHeight: 1.85,
    maximumRange: 120
  )

  /// Ouster OS0-128 at 1024 columns, nominal.
  public static let os0x128 = BeamModel(
    name: "os0_128",
    elevations: evenly(128, from: 45, step: 90 / 127.0),
    columnCount: 1024,
    mountHeight: 1.85,
    maximumRange: 50
  )

  /// Ouster OS1-64 at 2048 columns, nominal.
  ///
  /// Choice: the height is that of the OS1-128; no source gives one.
  public static let os1x64 = BeamModel(
    name: "os1_64",
    elevations: evenly(64, from: 16.6, step: 33.2 / 63),
    columnCount: 2048,
    mountHeight: 1.85,
    maximumRange: 120
  )

  /// The sensors that are known by name.
  public static let shipped = [
    hdl64e, hdl32e, vlp16, vlp32c, waymoTop, os1x128, os0x128, os1x64,
  ]

  /// The shipped sensor of a name, such as `hdl64e`.
  ///
  /// - Throws: `BeamModelError.unknownName`, which lists the known names.
  public static func named(_ name: String) throws(BeamModelError) -> BeamModel {
    if let model = shipped.first(where: { $0.name == name }) { return model }
    throw .unknownName(name: name, known: shipped.map(\.name))
  }

  private static func evenly(_ count: Int, from top: Double, step: Double) -> [Double] {
    (0..<count).map { top - step * Double($0) }
  }
}
