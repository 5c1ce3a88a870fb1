import Foundation
import PointCloud

/// Sensors by the specification's table, for the simulator's tests.
enum TestSensors {
  static let hdl64e = BeamModel(
    name: "hdl64e",
    elevations: (0..<32).map { 2 - Double($0) / 3 } + (0..<32).map { -8.83 - Double($0) / 2 },
    columnCount: 2083,
    mountHeight: 1.73,
    maximumRange: 120
  )
  static let hdl32e = BeamModel(
    name: "hdl32e",
    elevations: (0..<32).map { 10.67 - 1.3336 * Double($0) },
    columnCount: 1084,
    mountHeight: 1.84,
    maximumRange: 100
  )
  static let vlp16 = BeamModel(
    name: "vlp16",
    elevations: (0..<16).map { 15 - 2 * Double($0) },
    columnCount: 1800,
    mountHeight: 1.8,
    maximumRange: 100
  )
  static let waymoTop = BeamModel(
    name: "waymoTop",
    elevations: (0..<64).map { 2.4 - 20 * pow(Double($0) / 63, 1.35) },
    columnCount: 2560,
    mountHeight: 2.18,
    maximumRange: 75
  )
  static let os1x128 = BeamModel(
    name: "os1_128",
    elevations: (0..<128).map { 22.5 - 45 * Double($0) / 127 },
    columnCount: 2048,
    mountHeight: 1.85,
    maximumRange: 120
  )
  static let all = [hdl64e, hdl32e, vlp16, waymoTop, os1x128]
}
