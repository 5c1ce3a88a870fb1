import Checkpoints
import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

/// Scans and sensors for the tests of beams and densities.
enum SensorScans {
  /// The point of a range in metres, an elevation and an azimuth in degrees.
  static func point(_ range: Double, _ elevation: Double, _ azimuth: Double) -> [Float] {
    let (e, a) = (elevation * .pi / 180, azimuth * .pi / 180)
    return [Float(range * cos(e) * cos(a)), Float(range * cos(e) * sin(a)), Float(range * sin(e))]
  }

  /// Beam by beam one point in each column, the first a half column after `start` degrees.
  static func full(
    _ model: BeamModel,
    start: Double = 0,
    hasRings: Bool = true,
    range: (_ beam: Int, _ column: Int) -> Double = { _, _ in 10 }
  ) -> LidarScan {
    var (points, rings): ([Float], [Int32]) = ([], [])
    for (beam, elevation) in model.elevations.enumerated() {
      for column in 0..<model.columnCount {
        let azimuth = start + (Double(column) + 0.5) * 360 / Double(model.columnCount)
        points += point(range(beam, column), elevation, azimuth)
        rings.append(Int32(beam))
      }
    }
    return LidarScan(
      positions: Tensor(points, shape: [rings.count, 3]),
      rings: hasRings ? Tensor(rings, shape: [rings.count]) : nil
    )
  }

  /// A sensor of evenly spread beams, the lowest and the highest included.
  static func even(
    _ beams: Int,
    from top: Double,
    to bottom: Double,
    columns: Int
  ) -> BeamModel {
    BeamModel(
      name: "even",
      elevations: (0..<beams).map { beam in
        top + (bottom - top) * Double(beam) / Double(max(beams - 1, 1))
      },
      columnCount: columns,
      mountHeight: 1.8,
      maximumRange: 100
    )
  }

  /// A real scan: a file of 32-bit floats, some for each point, the first three its position.
  ///
  /// `ring` makes the ring of the fifth.
  static func file(
    _ name: String,
    floats: Int = 4,
    ring: ((Float) -> Int32)? = nil
  ) throws -> LidarScan {
    let file = try MappedFile(path: DataFolder.path("lidar/" + name))
    let values = Array(file.bytes.bindMemory(to: Float.self))
    let rows = Tensor(values, shape: [values.count / floats, floats])
    let rings = ring.map { ring in Tensor(rows[.all, 4].elements.map(ring)) }
    return LidarScan(positions: rows[.all, 0..<3], rings: rings)
  }

  /// Elevations that were measured on the real scans, the topmost first.
  static func measured(_ name: String) throws -> [Double] {
    let file = try JSONValue.read(DataFolder.path("lidar/measured_beam_elevations.json"))
    let values = try #require(file[name]?.arrayValue)
    return values.compactMap { $0.doubleValue }.sorted(by: >)
  }
}
