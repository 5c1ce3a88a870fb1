import Checkpoints
import Foundation
import TestSupport
import Testing

/// `apus-lidar` on the real scans of the data folder, with the network that it comes with.
@Suite(.enabled(if: DataFolder.has("lidar"), "\(DataFolder.skipMessage("lidar"))"))
struct LidarRealScanTests {
  /// A row of the table of densities: a scan, its sensor, and what is known of it.
  struct Row: Sendable, CustomTestStringConvertible {
    let file: String
    /// The name of a shipped sensor, or of a table of measured elevations.
    let sensor: String
    let columns: Int
    let points: Int
    /// The finest density 20 m ahead, then the percentiles 10, 50 and 90.
    let density: [Double]
    /// Where the elevations that the row was computed with are not known.
    var tolerance = 0.0

    var testDescription: String { file }
  }

  static let rows = [
    Row(
      file: "nuscenes/n015-2018-07-24-11-22-45__LIDAR_TOP__1532402927647951.pcd.bin",
      sensor: "hdl32e_nuscenes_measured",
      columns: 1084,
      points: 26_162,
      density: [0.0075, 0.0042, 0.0161, 0.0345]
    ),
    Row(
      file: "sim/scene1000_vlp16.bin",
      sensor: "vlp16",
      columns: 1800,
      points: 20_293,
      density: [0.0080, 0.0049, 0.0114, 0.0213]
    ),
    Row(
      file: "ouster/os0_128_0.bin",
      sensor: "os0_128_altitude_from_metadata",
      columns: 1024,
      points: 82_570,
      density: [0.0101, 0.0127, 0.0226, 0.0488]
    ),
    Row(
      file: "ouster/os1_32_0.bin",
      sensor: "os1_32_altitude_from_metadata",
      columns: 1024,
      points: 27_278,
      density: [0.0123, 0.0062, 0.0149, 0.0321]
    ),
    Row(
      file: "ouster/os1_128_0.bin",
      sensor: "os1_128_altitude_from_metadata",
      columns: 1024,
      points: 107_637,
      density: [0.0142, 0.0090, 0.0252, 0.0469]
    ),
    Row(
      file: "rellis3d/os1_000104.bin",
      sensor: "os1_64_altitude_from_metadata",
      columns: 2048,
      points: 62_746,
      density: [0.0164, 0.0147, 0.0361, 0.0614],
      tolerance: 0.015
    ),
    Row(
      file: "rellis3d/vlp32c_000104.bin",
      sensor: "vlp32c",
      columns: 1800,
      points: 27_769,
      density: [0.0186, 0.0084, 0.0247, 0.0415]
    ),
    Row(
      file: "ouster/os2_128_0.bin",
      sensor: "os2_128_altitude_from_metadata",
      columns: 1024,
      points: 119_682,
      density: [0.0203, 0.0111, 0.0295, 0.0465]
    ),
    Row(
      file: "kitti/odometry00_000000.bin",
      sensor: "hdl64e_kitti_measured",
      columns: 2083,
      points: 124_636,
      density: [0.0207, 0.0154, 0.0371, 0.0631]
    ),
    Row(
      file: "sim/scene1000_hdl64.bin",
      sensor: "hdl64e",
      columns: 2083,
      points: 120_454,
      density: [0.0208, 0.0147, 0.0365, 0.0709]
    ),
  ]

  /// The argument for `--sensor`: a name, or a file that is made of a measured table.
  private func sensor(_ row: Row, in folder: String) throws -> String {
    let tables = try JSONValue.read(DataFolder.path("lidar/measured_beam_elevations.json"))
    guard let table = tables[row.sensor]?.arrayValue else { return row.sensor }
    let elevations = table.compactMap(\.doubleValue).sorted(by: >)
    let json: JSONValue = .object([
      "name": .string(row.sensor),
      "elevations": .array(elevations.map { .number($0) }),
      "columnCount": .integer(Int64(row.columns)),
      "mountHeight": .number(1.8),
      "maximumRange": .number(200),
    ])
    try json.write(to: folder + "/sensor.json")
    return folder + "/sensor.json"
  }

  @Test(arguments: rows) func inspectGivesTheTableOfDensities(_ row: Row) throws {
    try withTemporaryFolder { folder in
      let sensor = try sensor(row, in: folder)
      let file = DataFolder.path("lidar/" + row.file)
      let report = try LidarCommandTests().firstDocument(["inspect", file, "--sensor", sensor])
      let density = try #require(report["density"] as? [String: Any])
      #expect(density["countedPoints"] as? Int == row.points)
      // The shipped network is what it is compared with.
      #expect(report["trainedOn"] as? String == "hdl64e" && density["conclusion"] is String)
      let channels = try #require(density["channels"] as? [[String: Any]])
      #expect(channels.count == 4)
      let found = try ["reference", "p10", "p50", "p90"].map { key in
        try #require(channels[0][key] as? NSNumber).doubleValue
      }
      // The table is rounded to four digits after the point.
      expectClose(found, row.density, relative: row.tolerance, absolute: 5.1e-5)
    }
  }

  /// Files of five formats in one call, without a model, a sensor or a format being named.
  @Test func segmentWorksOutOfTheBox() throws {
    let files = [
      "kitti/odometry00_000005.bin", "ouster/os0_32_0.bin", "rellis3d/vlp32c_000104.bin",
      "formats/os1_128_binary.pcd", "formats/os1_128_6.las",
      "formats/hesai128_binary_compressed.pcd",
      "nuscenes/n015-2018-07-24-11-22-45__LIDAR_TOP__1532402927647951.pcd.bin",
    ]
    try withTemporaryFolder { folder in
      let paths = files.map { DataFolder.path("lidar/" + $0) }
      let outcome = try LidarCommandTests().run(
        ["segment"] + paths + ["--output", folder, "--quiet", "--json", "--threads", "1"]
      )
      try #require(outcome.status == 0, "\(outcome.error)")
      let value = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
      let reports = try #require(value as? [[String: Any]])
      #expect(reports.compactMap { $0["file"] as? String } == paths)
      for report in reports {
        let outputs = try #require(report["outputs"] as? [String])
        let labels = try #require(outputs.first { $0.hasSuffix(".label") })
        let rows = try #require(report["rows"] as? Int)
        #expect(try LidarCommandTests().byteCount(labels) == 4 * rows)
        #expect(outputs.contains { $0.hasSuffix(".ply") })
        let classes = try #require(report["classes"] as? [[String: Any]])
        let filled = classes.dropFirst().count { ($0["points"] as? Int ?? 0) > rows / 100 }
        #expect(filled > 2, "\(labels): \(classes)")
      }
    }
  }
}
