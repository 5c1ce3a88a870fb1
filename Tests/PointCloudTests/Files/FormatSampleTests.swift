import PointCloud
import Tensor
import TestSupport
import Testing

/// The samples of other programs: the same points in several formats.
@Suite(.enabled(if: DataFolder.has("lidar"), "\(DataFolder.skipMessage("lidar"))"))
struct FormatSampleTests {
  private func read(
    _ name: String,
    _ change: (inout ScanReadingOptions) -> Void = { _ in }
  ) throws -> ScanReading {
    var options = ScanReadingOptions()
    change(&options)
    return try ScanReading(contentsOf: DataFolder.path("lidar/" + name), options: options)
  }

  /// Every 20th point of the same recording, by all readers.
  @Test func formatsAgree() throws {
    let pcd = try read("formats/os1_128_binary.pcd").scan
    let ply = try read("formats/os1_128_binary_le.ply").scan
    #expect(pcd.positions == ply.positions)
    #expect(pcd.rings == ply.rings)
    #expect(pcd.intensity == ply.intensity)
    let text = try read("formats/os1_128_ascii.ply").scan
    #expect(text.count == 200)
    expectClose(text.positions[0], pcd.positions[0], absolute: 1e-5)
    for name in ["formats/os1_128_1.las", "formats/os1_128_6.las"] {
      let las = try read(name).scan
      #expect(las.count == pcd.count)
      expectClose(las.positions, pcd.positions, absolute: 6e-4, name)
      #expect(las.labels?.elements == (0..<Int32(las.count)).map { $0 % 7 })
    }
    let whole = try read("ouster/os1_128_0.bin").scan
    #expect(whole.rings?.elements.max() == 127)
    #expect(whole.selecting((0..<5383).map { 20 * $0 }).positions == pcd.positions)
  }

  @Test(arguments: ["tiny-ascii.pcd", "tiny-binary.pcd", "tiny-ascii.ply", "tiny-binary.ply"])
  func tinyFilesHoldOnePoint(_ name: String) throws {
    #expect(try read("formats/" + name).scan.positions.elements == [1, 2, 3])
  }

  @Test func nuScenesComesIntoOurFrame() throws {
    let folder = "nuscenes/"
    let name = "n015-2018-07-24-11-22-45__LIDAR_TOP__1532402927647951.pcd.bin"
    let all = try read(folder + name)
    #expect(all.format == .nuScenes)
    #expect(all.ringsWereTurned)
    #expect(all.scan.count == 34_688)
    let clear = try read(folder + name) { $0.removesEgo = true }
    #expect(clear.egoCount == 8_274)
    #expect(clear.scan.count == 34_688 - 8_274)
    #expect(highestRing(clear.scan) == 0)
  }

  @Test func ringsCountFromTheTop() throws {
    let ouster = try read("ouster/os0_32_0.bin")
    #expect(!ouster.ringsWereTurned)
    #expect(highestRing(ouster.scan) == 0)
    let hesai = try read("formats/hesai128_binary_compressed.pcd") { $0.dropsZeros = true }
    #expect(hesai.ringsWereTurned)
    #expect(highestRing(hesai.scan) == 0)
  }

  /// The ring whose points rise most on average.
  private func highestRing(_ scan: LidarScan) -> Int32? {
    guard let rings = scan.rings?.elements else { return nil }
    var sums: [Int32: (Double, Double)] = [:]
    let p = scan.positions.elements.map(Double.init)
    for (row, ring) in rings.enumerated() {
      let (x, y, z) = (p[3 * row], p[3 * row + 1], p[3 * row + 2])
      let sine = z / (x * x + y * y + z * z).squareRoot()
      let old = sums[ring] ?? (0, 0)
      sums[ring] = (old.0 + sine, old.1 + 1)
    }
    return sums.max { $0.value.0 / $0.value.1 < $1.value.0 / $1.value.1 }?.key
  }

  @Test func missingReturnsOfRELLISAreDropped() throws {
    let labels = DataFolder.path("lidar/rellis3d/os1_000104.label")
    let reading = try read("rellis3d/os1_000104.bin") {
      $0.dropsZeros = true
      $0.labelPath = labels
    }
    #expect(reading.zeroCount == 53_364)
    let kept = try #require(reading.scan.labels)
    let whole = try LabelFile(contentsOf: labels).labels.elements
    #expect(kept.elements == reading.rows.map { whole[Int($0)] })
    #expect(LabelMap.common(from: .rellis).unknownLabels(in: kept).isEmpty)
    let spread = reading.spread(kept, missing: -1).elements
    #expect(zip(spread, whole).allSatisfy { $0 == -1 || $0 == $1 })
  }

  @Test func waymoNeedsItsWidth() throws {
    let scan = try read("waymo/0000000.bin") { $0.floatsPerPoint = 6 }.scan
    #expect(scan.count == 800)
    #expect(scan.rings == nil)
    #expect(scan.positions[0].elements == [-19.172607, -0.06542969, 2.9200134])
    // 800 points of 24 bytes are 1,200 of 16 as well.
    let error = try #require(throws: PointFileError.self) { try read("waymo/0000000.bin") }
    #expect("\(error)".contains("give floatsPerPoint"))
  }

  @Test(arguments: ["os0_128", "os0_32", "os1_128", "os1_32", "os1_64", "os2_128", "os2_32"])
  func rowsOfFiveAreRecognized(_ name: String) throws {
    let scan = try read("ouster/\(name)_0.bin").scan
    #expect(scan.rings?.elements.min() == 0)
  }

  @Test(arguments: ["kitti/odometry00_000000.bin", "sim/scene1000_vlp16.bin"])
  func rowsOfFourAreRecognized(_ name: String) throws {
    #expect(try read(name).scan.rings == nil)
  }

  @Test func compressedLASIsRefusedWithAdvice() throws {
    let error = try #require(throws: PointFileError.self) { try read("formats/os1_128_1.laz") }
    #expect("\(error)".contains("laszip"))
  }
}
