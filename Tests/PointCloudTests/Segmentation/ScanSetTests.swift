import Autograd
import PointCloud
import Tensor
import Testing

@Suite struct ScanSetTests {
  static let sensor = BeamModel(
    name: "eight",
    elevations: [2, -1, -4, -7, -10, -13, -16, -20],
    columnCount: 180,
    mountHeight: 1.7,
    maximumRange: 80
  )

  static func simulated(_ scenes: Range<Int>, seed: UInt64 = 0, classes: LabelMap?) -> ScanSet {
    .simulated(by: LidarSimulator(model: sensor), scenes: scenes, seed: seed, classes: classes)
  }

  @Test func aSceneIsTheSameInEverySet() throws {
    let (all, last) = (
      Self.simulated(5..<8, classes: nil), Self.simulated(7..<8, classes: nil)
    )
    #expect(all.count == 3 && last.count == 1)
    #expect(try all.scan(2).positions == last.scan(0).positions)
    #expect(try all.scan(1).positions != all.scan(2).positions)
    let other = Self.simulated(7..<8, seed: 1, classes: nil)
    #expect(try other.scan(0).positions != last.scan(0).positions)
  }

  @Test func labelsBecomeClasses() throws {
    let map = LabelMap.common(from: .semanticKITTI)
    let raw = try #require(try Self.simulated(3..<4, classes: nil).scan(0).labels)
    let classes = try Self.simulated(3..<4, classes: map).scan(0).labels
    #expect(classes == map.classes(of: raw))
  }

  @Test(arguments: [0, 1 << 20]) func cachedScansAreMadeAsOftenAsNeeded(byteCount: Int) throws {
    var calls = 0
    let source = Self.simulated(0..<2, classes: nil)
    let counted = ScanSet(of: Self.sensor, count: 2) { index in
      calls += 1
      return try source.scan(index)
    }
    let cached = counted.cached(byteCount: byteCount)
    for index in [0, 1, 0, 1] {
      let (scan, expected) = (try cached.scan(index), try source.scan(index))
      #expect(scan.positions == expected.positions && scan.labels == expected.labels)
      #expect(scan.rings == expected.rings)
    }
    #expect(calls == (byteCount == 0 ? 4 : 2))
  }

  @Test func networksFindTheirLabelMap() {
    let common = SegmenterConfiguration(.tiny)
    for labels in LabelSet.allCases {
      #expect(common.labelMap(from: labels) == .common(from: labels))
    }
    let own = SegmenterConfiguration(.tiny, classNames: LabelMap.semanticKITTI19.classNames)
    #expect(own.labelMap(from: .semanticKITTI) == .semanticKITTI19)
    #expect(own.labelMap(from: .nuScenes) == nil)
  }
}

@Suite struct GroundDepthTests {
  @Test(arguments: [BeamModel.hdl64e, .hdl32e, .vlp16, .os1x128], [1.4, 1.8, 2.5])
  func theGroundLiesAsFarBelowAsTheSensorStands(sensor: BeamModel, height: Double) throws {
    let simulator = LidarSimulator(model: sensor, mountHeight: height)
    let scans = ScanSet.simulated(by: simulator, scenes: 20..<25, classes: nil)
    for index in 0..<scans.count {
      let depth = try #require(try scans.scan(index).groundDepth())
      // A tilt of 0.8 degrees is 0.14 m at 10 m, where a VLP-16 meets the ground first; a sidewalk
      // is 0.15 m higher than the road.
      #expect(abs(depth - height) < 0.25, "scene \(index): \(depth)")
    }
  }

  @Test func withoutGroundThereIsNoDepth() {
    #expect(LidarScan(positions: .zeros([0, 3])).groundDepth() == nil)
    #expect(LidarScan(positions: .ones([500, 3]) * 10).groundDepth() == nil)
    var generator = Philox(seed: 1)
    let cloud = Tensor<Float>.uniform([3000, 3], from: -10, to: 10, using: &generator)
    #expect(LidarScan(positions: cloud).groundDepth() == nil)
    #expect(LidarScan(positions: .ones([100, 3]) * .nan).groundDepth() == nil)
  }
}
