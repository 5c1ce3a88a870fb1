import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

/// Streets and poses that are not drawn.
enum TestStreets {
  /// Nothing but ground: a road of 8 m, sidewalks of 2 m, a crossing 20 m ahead.
  static let layout = StreetLayout(
    halfWidth: 4,
    sidewalkWidth: 2,
    kerbHeight: 0.1,
    crossing: .init(at: 20, halfWidth: 3),
    hasParking: true,
    sensorOffset: -2
  )
  static let empty = StreetScene(layout: layout, objects: [])

  /// A sensor on the empty street, without tilt.
  static func pose(height: Double = 1.73) -> SensorPose {
    SensorPose(position: SIMD3(0, layout.sensorOffset, height))
  }
}

extension LidarScan {
  /// The range, azimuth and elevation of each point, in metres and degrees, azimuth in 0..<360.
  var spherical: [(range: Double, azimuth: Double, elevation: Double)] {
    let p = positions.elements.map(Double.init)
    return (0..<count).map {
      let (x, y, z) = (p[3 * $0], p[3 * $0 + 1], p[3 * $0 + 2])
      let range = (x * x + y * y + z * z).squareRoot()
      let azimuth = atan2(y, x) * 180 / .pi
      return (range, azimuth < 0 ? azimuth + 360 : azimuth, asin(z / range) * 180 / .pi)
    }
  }
}

@Suite struct LidarSimulatorTests {
  /// Strong light and no noise: all that is left to chance are 1.5 % of the rays.
  static let exact = SensorReturns(strength: 1e9, rangeNoise: 0)

  @Test(arguments: testSensors)
  func pointsLieOnTheSensorsRays(model: BeamModel) throws {
    let scan = LidarSimulator(model: model).scan(StreetScene(seed: 3), seed: 7)
    let rings = try #require(scan.rings).elements
    let intensity = try #require(scan.intensity).elements
    #expect(zip(rings, rings.dropFirst()).allSatisfy { $0 <= $1 })
    #expect((intensity.min() ?? -1) >= 0 && (intensity.max() ?? 2) <= 1)
    let step = 360 / Double(model.columnCount)
    var (wrongElevations, wrongRanges, disorder, offsets) = (0, 0, 0, Set<Int>())
    // Every 17th point is looked at.
    let chosen = scan.selecting((0..<scan.count / 17).map { Int32(17 * $0) })
    var last = (ring: -1, azimuth: 0.0)
    for (index, point) in chosen.spherical.enumerated() {
      let ring = Int(rings[17 * index])
      if abs(point.elevation - model.elevations[ring]) > 1e-3 { wrongElevations += 1 }
      if point.range < 0.99999 || point.range > model.maximumRange + 1e-4 { wrongRanges += 1 }
      if ring == last.ring, point.azimuth < last.azimuth { disorder += 1 }
      last = (ring, point.azimuth)
      offsets.insert(Int((point.azimuth / step * 100).rounded()) % 100)
    }
    #expect(wrongElevations == 0 && wrongRanges == 0 && disorder == 0)
    // All columns begin at one share of a column (and what Float rounds).
    #expect(offsets.count <= 3)
  }

  @Test func threadsDoNotChangeAScan() {
    let threads = WorkPool.threadCount
    defer { WorkPool.threadCount = threads }
    let simulator = LidarSimulator(model: BeamModel.hdl32e)
    let scans = [1, 2, 3].map { count in
      WorkPool.threadCount = count
      return simulator.scan(StreetScene(seed: 11), seed: 5)
    }
    for scan in scans.dropFirst() {
      #expect(scan.positions.elements == scans[0].positions.elements)
      #expect(scan.intensity?.elements == scans[0].intensity?.elements)
      #expect(scan.labels?.elements == scans[0].labels?.elements)
      #expect(scan.rings?.elements == scans[0].rings?.elements)
    }
  }

  @Test func aSeedIsAScanAndAnotherSeedAnother() {
    let (scene, simulator) = (StreetScene(seed: 2), LidarSimulator(model: BeamModel.vlp16))
    let scans = [4, 4, 5].map { simulator.scan(scene, seed: $0).positions.elements }
    #expect(scans[0] == scans[1])
    #expect(scans[0] != scans[2])
  }

  /// Directly below 1 m there is a surface, but no point.
  @Test func nothingIsNearerThanAMetre() {
    let model = BeamModel(
      name: "below",
      elevations: [-60, -70, -89],
      columnCount: 90,
      mountHeight: 0.9,
      maximumRange: 50
    )
    let simulator = LidarSimulator(model: model, returns: Self.exact)
    let pose = TestStreets.pose(height: 0.9)
    let scan = simulator.scan(TestStreets.empty, from: pose, Philox(seed: 1))
    // 0.9 / sin 60° = 1.04; 0.9 / sin 70° = 0.96.
    #expect(scan.count > 80)
    #expect(scan.rings?.elements.allSatisfy { $0 == 0 } == true)
  }

  @Test func nothingIsFartherThanTheLargestRange() {
    var model = BeamModel.hdl64e
    model.maximumRange = 15
    let scan = LidarSimulator(model: model).scan(StreetScene(seed: 1), seed: 1)
    #expect(scan.count > 30_000)
    let some = scan.selecting((0..<scan.count / 9).map { Int32(9 * $0) })
    #expect(some.spherical.allSatisfy { $0.range < 15.00001 })
  }

  @Test(arguments: [[], [45.0, 60, 89], [90.0]])
  func raysThatMeetNothingGiveAnEmptyScan(elevations: [Double]) {
    let model = BeamModel(
      name: "up",
      elevations: elevations,
      columnCount: 60,
      mountHeight: 2,
      maximumRange: 100
    )
    let simulator = LidarSimulator(model: model)
    let scan = simulator.scan(TestStreets.empty, from: TestStreets.pose(), Philox(seed: 1))
    #expect(scan.positions.shape == [0, 3])
    #expect(scan.labels?.shape == [0])
  }

  @Test func beamsInAnyOrderAreSeen() {
    var model = BeamModel.vlp16
    model.elevations = (0..<16).map { -15 + 2 * Double(($0 * 7) % 16) }
    let returns = SensorReturns(strength: 50, rangeNoise: 0)
    let mixed = LidarSimulator(model: model, returns: returns)
    let sorted = LidarSimulator(model: BeamModel.vlp16, returns: returns)
    let scene = StreetScene(seed: 9)
    let counts = [mixed, sorted].map { $0.scan(scene, seed: 1).count }
    #expect(abs(counts[0] - counts[1]) < counts[1] / 50)
  }

  @Test func aModelWithoutColumnsIsRefused() async throws {
    let result = try #require(
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        var model = BeamModel.vlp16
        model.columnCount = 0
        _ = LidarSimulator(model: model).scan(StreetScene(seed: 1), seed: 1)
      }
    )
    let text = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(text.contains("lidar simulator: 16 beams × 0 columns"))
  }

  @Test func theMountHeightMayBeAnother() throws {
    for (height, expected) in [(nil, 1.73), (2.5, 2.5)] as [(Double?, Double)] {
      let simulator = LidarSimulator(model: BeamModel.hdl64e, mountHeight: height)
      let scan = simulator.scan(StreetScene(seed: 1), seed: 1)
      let labels = try #require(scan.labels).elements
      // The tilt moves single points, but not the middle of all.
      let positions = scan.positions.elements
      let heights = labels.indices.filter { labels[$0] == 40 && $0 % 9 == 0 }
        .map { positions[3 * $0 + 2] }.sorted()
      #expect(abs(Double(heights[heights.count / 2]) + expected) < 0.1)
    }
  }

  /// z = −h + x · tan(pitch) ahead, and −h − y · tan(roll) to the left.
  @Test(arguments: [(1.0, 0.0), (0, 1), (-0.7, 0.4)])
  func theGroundAppearsTiltedAgainstTheSensor(pitch: Double, roll: Double) throws {
    var pose = TestStreets.pose()
    (pose.pitch, pose.roll) = (pitch * .pi / 180, roll * .pi / 180)
    let simulator = LidarSimulator(model: BeamModel.hdl64e, returns: Self.exact)
    let scan = simulator.scan(TestStreets.empty, from: pose, Philox(seed: 1))
    let labels = try #require(scan.labels).elements
    let p = scan.positions.elements.map(Double.init)
    var (offPlane, notRaised, notLowered) = (0, 0, 0)
    for index in stride(from: 0, to: labels.count, by: 7) where [40, 44].contains(labels[index]) {
      let (x, y, z) = (p[3 * index], p[3 * index + 1], p[3 * index + 2])
      let turned = sin(pose.roll) * y + cos(pose.roll) * z
      if abs(cos(pose.pitch) * turned - sin(pose.pitch) * x + 1.73) > 2e-3 { offPlane += 1 }
      if pitch == 1, abs(y) < 1, x > 10, z < -1.73 + 0.9 * x * tan(pose.pitch) { notRaised += 1 }
      if roll == 1, abs(x) < 1, y > 3, z > -1.73 - 0.9 * y * tan(pose.roll) { notLowered += 1 }
    }
    #expect(offPlane == 0 && notRaised == 0 && notLowered == 0)
  }
}
