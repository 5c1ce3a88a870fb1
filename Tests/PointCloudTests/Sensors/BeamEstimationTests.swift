import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct BeamEstimationTests {
  static let sensor = SensorScans.even(20, from: 10.05, to: -18.45, columns: 900)

  private func expectSensor(_ found: BeamModel, _ expected: BeamModel, within error: Double) {
    expectClose(found.elevations, expected.elevations, absolute: error)
    #expect(found.columnCount == expected.columnCount)
  }

  @Test func ringsTellTheBeams() throws {
    let scan = SensorScans.full(Self.sensor) { _, _ in 9.5 }
    #expect(BeamModel.estimation(of: scan) == .rings)
    let found = try BeamModel(estimatedFrom: scan, name: "mine")
    expectSensor(found, Self.sensor, within: 1e-4)
    #expect(found.name == "mine" && found.maximumRange == 10)
  }

  /// Rings start ahead as in KITTI, or behind.
  @Test(arguments: [0.0, -180]) func azimuthJumpsTellTheBeams(start: Double) throws {
    let scan = SensorScans.full(Self.sensor, start: start, hasRings: false)
    #expect(BeamModel.estimation(of: scan) == .azimuthJumps)
    let found = try BeamModel(estimatedFrom: scan, name: "mine")
    expectSensor(found, Self.sensor, within: 1e-4)
  }

  /// Without any order only elevations are left; a bin is 0.1 degrees wide.
  @Test func histogramsTellTheBeams() throws {
    let scan = SensorScans.full(Self.sensor, hasRings: false)
    var generator = Philox(seed: 5)
    let order = Tensor<Int32>.permutation(scan.count, using: &generator).elements
    let shuffled = scan.selecting(order)
    #expect(BeamModel.estimation(of: shuffled) == .elevationHistogram)
    let found = try BeamModel(estimatedFrom: shuffled, name: "mine")
    expectSensor(found, Self.sensor, within: 0.051)
  }

  @Test func lostReturnsDoNotCount() throws {
    var generator = Philox(seed: 3)
    let full = SensorScans.full(Self.sensor)
    let scan = full.filter { index in
      // Two in five are lost, and a quarter of the turn.
      index % 900 > 225 && generator.uniform() > 0.4
    }
    let found = try BeamModel(estimatedFrom: scan, name: "mine")
    expectSensor(found, Self.sensor, within: 1e-4)
  }

  @Test func ringsWithoutPointsLieBetweenTheirNeighbours() throws {
    let lost = Set([0, 7, 8])
    let full = SensorScans.full(Self.sensor)
    let found = try BeamModel(
      estimatedFrom: full.filter { !lost.contains($0 / 900) },
      name: "mine"
    )
    expectSensor(found, Self.sensor, within: 1e-4)
  }

  @Test func secondReturnsAreNoColumns() throws {
    let full = SensorScans.full(Self.sensor)
    let order = (0..<Int32(full.count)).flatMap { [$0, $0] }
    let found = try BeamModel(estimatedFrom: full.selecting(order), name: "mine")
    expectSensor(found, Self.sensor, within: 1e-4)
  }

  @Test func oneBeamIsEnough() throws {
    let sensor = SensorScans.even(1, from: -2.05, to: -2.05, columns: 360)
    for hasRings in [true, false] {
      let scan = SensorScans.full(sensor, hasRings: hasRings)
      let found = try BeamModel(estimatedFrom: scan, name: "mine")
      expectSensor(found, sensor, within: 0.051)
    }
  }

  @Test func hopelessScansAreRefused() throws {
    func refusal(_ scan: LidarScan, _ method: BeamEstimation? = nil) throws -> String {
      let error = #expect(throws: BeamModelError.self) {
        _ = try BeamModel(estimatedFrom: scan, name: "mine", by: method)
      }
      return try #require(error).description
    }
    let full = SensorScans.full(Self.sensor)
    let nothing = full.selecting([])
    #expect(try refusal(nothing).contains("no point is farther than 2.0 m"))
    let near = SensorScans.full(Self.sensor, hasRings: false) { _, _ in 3 }
    #expect(try refusal(near, .elevationHistogram).contains("no point is farther than 5.0 m"))
    #expect(try refusal(near, .rings).contains("the scan has no rings"))
    var turned = full
    turned.rings = Tensor(full.rings?.elements.map { 19 - $0 } ?? [], shape: [full.count])
    #expect(try refusal(turned).contains("ring 0 is the lowest beam"))
    turned.rings = Tensor(repeating: -1, shape: [full.count])
    #expect(try refusal(turned).contains("the rings run from -1"))
    turned.rings = Tensor(full.rings?.elements.map { $0 * 100 } ?? [], shape: [full.count])
    #expect(try refusal(turned).contains("only 20 of 1901 rings have points"))
    #expect(try refusal(full.selecting([0, 1, 2])).contains("no ring has 16 points"))
    let broken = LidarScan(positions: Tensor(repeating: .nan, shape: [9, 3]))
    #expect(try refusal(broken).contains("no point"))
  }

  @Test(.enabled(if: DataFolder.has("lidar"), "\(DataFolder.skipMessage("lidar"))"))
  func kittiScansShowTheirSensor() throws {
    for name in ["kitti/odometry00_000000.bin", "semantickitti/seq08_000000.bin"] {
      let scan = try SensorScans.file(name)
      #expect(BeamModel.estimation(of: scan) == .azimuthJumps)
      let found = try BeamModel(estimatedFrom: scan, name: "hdl64e")
      #expect(found.beamCount == 64)
      // The nominal 2083 columns are those of exactly ten turns a second.
      #expect(abs(found.columnCount - 2083) < 70, "\(found.columnCount)")
      if name.hasPrefix("kitti") {
        let measured = try SensorScans.measured("hdl64e_kitti_measured")
        expectClose(found.elevations, measured, absolute: 0.03)
      }
    }
  }

  @Test(.enabled(if: DataFolder.has("lidar"), "\(DataFolder.skipMessage("lidar"))"))
  func ringsOfRealScansShowTheirSensor() throws {
    let ouster = try SensorScans.file("ouster/os1_128_0.bin", floats: 5) { Int32($0) }
    let found = try BeamModel(estimatedFrom: ouster, name: "os1")
    #expect(found.beamCount == 128 && found.columnCount == 1024)
    let altitudes = try SensorScans.measured("os1_128_altitude_from_metadata")
    // The table is of the optics; the origin of a point lies beside the sensor's.
    expectClose(found.elevations, altitudes, absolute: 0.5)
    let nuScenes =
      "nuscenes/n015-2018-07-24-11-22-45__LIDAR_TOP__1532402927647951.pcd.bin"
    let velodyne = try SensorScans.file(nuScenes, floats: 5) { 31 - Int32($0) }
    let hdl32e = try BeamModel(estimatedFrom: velodyne, name: "hdl32e")
    #expect(hdl32e.beamCount == 32)
    #expect(abs(hdl32e.columnCount - 1084) < 20, "\(hdl32e.columnCount)")
    let measured = try SensorScans.measured("hdl32e_nuscenes_measured")
    expectClose(hdl32e.elevations, measured, absolute: 0.1)
  }
}
