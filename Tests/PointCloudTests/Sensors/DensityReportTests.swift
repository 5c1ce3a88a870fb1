import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct DensityReportTests {
  /// A scan and a sensor of the table, and its row.
  struct Row: Sendable, CustomTestStringConvertible {
    var name: String
    var file: String
    var floats = 4
    /// A table of measured or factory elevations; nil for the shipped sensor `model`.
    var table: String?
    var model = BeamModel.hdl64e
    var columns: Int
    var points: Int
    /// At 20 m, then the percentiles 10, 50 and 90.
    var values: [Float]
    var tolerance: Float = 0

    var testDescription: String { name }

    func report(range: DensityRange? = nil) throws -> DensityReport {
      var model = model
      if let table { model.elevations = try SensorScans.measured(table) }
      return DensityReport(
        try SensorScans.file(file, floats: floats),
        density: BeamDensity(model.withColumns(columns)),
        range: range
      )
    }
  }

  static let rows: [Row] = [
    Row(
      name: "nuScenes HDL-32E",
      file: "nuscenes/n015-2018-07-24-11-22-45__LIDAR_TOP__1532402927647951.pcd.bin",
      floats: 5,
      table: "hdl32e_nuscenes_measured",
      columns: 1084,
      points: 26_162,
      values: [0.0075, 0.0042, 0.0161, 0.0345]
    ),
    Row(
      name: "simulated VLP-16",
      file: "sim/scene1000_vlp16.bin",
      model: .vlp16,
      columns: 1800,
      points: 20_293,
      values: [0.0080, 0.0049, 0.0114, 0.0213]
    ),
    Row(
      name: "OS0-128",
      file: "ouster/os0_128_0.bin",
      floats: 5,
      table: "os0_128_altitude_from_metadata",
      columns: 1024,
      points: 82_570,
      values: [0.0101, 0.0127, 0.0226, 0.0488]
    ),
    Row(
      name: "OS1-32",
      file: "ouster/os1_32_0.bin",
      floats: 5,
      table: "os1_32_altitude_from_metadata",
      columns: 1024,
      points: 27_278,
      values: [0.0123, 0.0062, 0.0149, 0.0321]
    ),
    Row(
      name: "OS1-128",
      file: "ouster/os1_128_0.bin",
      floats: 5,
      table: "os1_128_altitude_from_metadata",
      columns: 1024,
      points: 107_637,
      values: [0.0142, 0.0090, 0.0252, 0.0469]
    ),
    // The beams that the row was computed with are not known: those of the factory and those
    // measured on the scan both miss it by about a percent.
    Row(
      name: "RELLIS OS1-64",
      file: "rellis3d/os1_000104.bin",
      table: "os1_64_altitude_from_metadata",
      columns: 2048,
      points: 62_746,
      values: [0.0164, 0.0147, 0.0361, 0.0614],
      tolerance: 0.015
    ),
    Row(
      name: "RELLIS VLP-32C",
      file: "rellis3d/vlp32c_000104.bin",
      model: .vlp32c,
      columns: 1800,
      points: 27_769,
      values: [0.0186, 0.0084, 0.0247, 0.0415]
    ),
    Row(
      name: "OS2-128",
      file: "ouster/os2_128_0.bin",
      floats: 5,
      table: "os2_128_altitude_from_metadata",
      columns: 1024,
      points: 119_682,
      values: [0.0203, 0.0111, 0.0295, 0.0465]
    ),
    Row(
      name: "KITTI HDL-64E",
      file: "kitti/odometry00_000000.bin",
      table: "hdl64e_kitti_measured",
      columns: 2083,
      points: 124_636,
      values: [0.0207, 0.0154, 0.0371, 0.0631]
    ),
    Row(
      name: "simulated HDL-64E",
      file: "sim/scene1000_hdl64.bin",
      columns: 2083,
      points: 120_454,
      values: [0.0208, 0.0147, 0.0365, 0.0709]
    ),
  ]

  @Test(
    .enabled(if: DataFolder.has("lidar"), "\(DataFolder.skipMessage("lidar"))"),
    arguments: rows
  )
  func realScansGiveTheTable(row: Row) throws {
    let report = try row.report()
    let channel = report.channels[0]
    #expect(report.countedPoints == row.points)
    #expect(report.conclusion == nil && channel.shares == nil)
    let found = [channel.reference, channel.p10, channel.p50, channel.p90]
    // The table is rounded to four digits after the point.
    expectClose(found, row.values, relative: row.tolerance, absolute: 5.1e-5)
  }

  @Test(.enabled(if: DataFolder.has("lidar"), "\(DataFolder.skipMessage("lidar"))"))
  func sensorsAreJudgedByTheSource() throws {
    let source = try SensorScans.file("kitti/odometry00_000000.bin")
    let range = try #require(DensityRange(of: BeamDensity(.hdl64e)(source)))
    let other = try SensorScans.file("kitti/odometry00_000005.bin")
    let home = DensityReport(other, density: BeamDensity(.hdl64e), range: range)
    #expect(home.conclusion == .inside)
    let rows = Dictionary(uniqueKeysWithValues: Self.rows.map { ($0.name, $0) })
    for name in ["nuScenes HDL-32E", "simulated VLP-16"] {
      #expect(try #require(rows[name]).report(range: range).conclusion == .sparser, "\(name)")
    }
    #expect(try #require(rows["simulated HDL-64E"]).report(range: range).conclusion == .inside)
    let sparse = try #require(rows["simulated VLP-16"])
    let sparseRange = try #require(
      DensityRange(of: BeamDensity(.vlp16)(try SensorScans.file(sparse.file)))
    )
    let dense = DensityReport(source, density: BeamDensity(.hdl64e), range: sparseRange)
    #expect(dense.conclusion == .denser)
  }

  /// Four points in a row away from the sensor, of which one is too near to count.
  @Test func sharesAreCounted() throws {
    let points = [1.0, 5, 10, 20].flatMap { SensorScans.point($0, 0.05, 0.05) }
    let density = BeamDensity(.vlp16)
    let at = [5.0, 10, 20].map { density.density(atRange: $0, elevation: 0.05, azimuth: 0.05) }
    let range = DensityRange(middle: at[1], spread: at[1].map { $0 / 10 })
    let scan = LidarScan(positions: Tensor(points, shape: [4, 3]))
    let report = DensityReport(scan, density: density, range: range)
    #expect(report.pointCount == 4 && report.countedPoints == 3 && report.sensor == "vlp16")
    for (channel, figures) in report.channels.enumerated() {
      let shares = try #require(figures.shares)
      let third = Array(repeating: 1 / 3.0, count: 3)
      expectClose([shares.below, shares.inside, shares.above], third, relative: 1e-9)
      expectClose([figures.p50], [at[1][channel]], relative: 1e-5)
      let p10 = at[2][channel] + (at[1][channel] - at[2][channel]) * 0.2
      expectClose([figures.p10], [p10], relative: 1e-5)
    }
    #expect(report.conclusion == .sparser)
  }

  @Test func emptyScansSayNothing() {
    let scan = LidarScan(positions: Tensor([0, 0, 0, .nan, 0, 0], shape: [2, 3]))
    let range = DensityRange(middle: [1, 1, 1, 1], spread: [1, 1, 1, 1])
    let report = DensityReport(scan, density: BeamDensity(.vlp16), range: range)
    #expect(report.countedPoints == 0 && report.conclusion == .unknown)
    #expect(report.channels[0].p50 == 0)
    #expect(report.channels[0].shares?.inside == 0 && report.channels[0].shares?.below == 0)
  }
}
