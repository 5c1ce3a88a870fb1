import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

/// Every scan of the data folder, of every sensor, through the network that is shipped.
@Suite(.enabled(if: DataFolder.has("lidar"), "\(DataFolder.skipMessage("lidar"))"))
struct RealScanTests {
  @Test func theFolderHoldsScans() { #expect(!RealScan.all.isEmpty) }

  /// A scan is decoded, every point in the volume gets a class, and the labels are written for all
  /// rows of the file.
  @Test(arguments: RealScan.all)
  func scansBecomeLabels(_ item: RealScan) throws {
    let reading = try item.reading()
    let (scan, sensor) = (reading.scan, try item.sensor(of: reading.scan))
    let model = try RealScan.model()
    let found = try model.segment(scan, of: sensor)
    #expect(found.classes.shape == [scan.count] && found.confidence.shape == [scan.count])
    let volume = model.configuration.crop(for: Float(sensor.mountHeight))
    var isInside = [Bool](repeating: false, count: scan.count)
    for point in volume.inside(scan.positions) { isInside[Int(point)] = true }
    let confidence = found.confidence.elements
    for (point, item) in found.classes.elements.enumerated() {
      // Ten classes: no share of the best is below a tenth.
      let isClass = (1...10).contains(item) && confidence[point] >= 0.0999
      let isSound = isInside[point] ? isClass : item == 0
      guard !isSound else { continue }
      Issue.record("point \(point): class \(item), confidence \(confidence[point])")
      break
    }
    let map = LabelMap.common(from: .semanticKITTI)
    let raw = map.rawLabels(of: found.classes)
    try withTemporaryFolder { folder in
      try LabelFile(reading.spread(raw)).write(to: folder + "/scan.label")
      let labels = try LabelFile(contentsOf: folder + "/scan.label").labels
      #expect(labels.count == reading.rowCount)
      let rows = Tensor(reading.rows, shape: [reading.rows.count])
      #expect(labels.taking(rows, axis: 0) == raw)
      try scan.writePLY(to: folder + "/scan.ply", coloredBy: found.classes, of: map)
      #expect(try LidarScan(contentsOf: folder + "/scan.ply").count == scan.count)
    }
  }

  /// What is called a road lies where the ground is, for sensors that the network has never seen.
  @Test(arguments: RealScan.all.filter(\.standsOnARoad))
  func roadsLieOnTheGround(_ item: RealScan) throws {
    let scan = try item.reading().scan
    let sensor = try item.sensor(of: scan)
    let classes = try RealScan.model().segment(scan, of: sensor).classes.elements
    let depth = try #require(scan.groundDepth())
    let points = scan.positions.elements
    let heights = classes.indices.filter { classes[$0] == 7 }.map { points[3 * $0 + 2] }.sorted()
    try #require(heights.count > classes.count / 20)
    #expect(abs(Double(heights[heights.count / 2]) + depth) < 0.4)
  }

  /// Where people have labelled the points, a road is found more often where there is one.
  @Test(arguments: RealScan.all.filter { $0.labels != nil })
  func classesAreNotChance(_ item: RealScan) throws {
    let scan = try item.reading().scan
    let raw = try #require(scan.labels)
    let truth = LabelMap.common(from: item.labelSet).classes(of: raw).elements
    let found = try RealScan.model().segment(scan, of: item.sensor(of: scan)).classes.elements
    let points = truth.indices.filter { truth[$0] > 0 && found[$0] > 0 }
    for item in [Int32(7), 10] where points.contains(where: { truth[$0] == item }) {
      func share(_ isIncluded: (Int) -> Bool) -> Double {
        let chosen = points.filter(isIncluded)
        return Double(chosen.count { found[$0] == item }) / Double(max(chosen.count, 1))
      }
      let (hits, errors) = (share { truth[$0] == item }, share { truth[$0] != item })
      #expect(hits > 2 * errors, "class \(item): \(hits) of its points, \(errors) of others")
    }
  }
}

/// A file of the data folder.
struct RealScan: Sendable, CustomTestStringConvertible {
  /// Its path below the folder.
  let name: String

  var testDescription: String { name }

  /// Every file of points; compressed LAS is refused elsewhere.
  static let all: [RealScan] = {
    let root = DataFolder.path("lidar")
    let names = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
    let endings = [".bin", ".pcd", ".ply", ".las"]
    return names.sorted().filter { name in endings.contains { name.hasSuffix($0) } }
      .map { RealScan(name: $0) }
  }()

  /// The network that comes with the programs.
  static func model() throws -> PointSegmenter {
    try PointSegmenter(path: Fixtures.checkout + "/Models/street.safetensors")
  }

  /// The labels beside the scan.
  var labels: String? {
    let path = DataFolder.path("lidar/" + name.replacing(".bin", with: ".label"))
    return path.hasSuffix(".label") && FileManager.default.fileExists(atPath: path) ? path : nil
  }

  var labelSet: LabelSet { name.hasPrefix("rellis3d") ? .rellis : .semanticKITTI }

  /// Scans all around a car or a robot; of the camera's field of view the ground is not told, and
  /// the origin of the Hesai sample is no sensor.
  var standsOnARoad: Bool {
    let folders = ["semantickitti/", "kitti/odometry", "nuscenes/", "sim/", "rellis3d/"]
    return folders.contains { name.hasPrefix($0) }
  }

  func reading() throws -> ScanReading {
    try ScanReading(
      contentsOf: DataFolder.path("lidar/" + name),
      options: ScanReadingOptions(
        floatsPerPoint: name.hasPrefix("waymo") ? 6 : nil,
        labelPath: labels,
        dropsZeros: true,
        removesEgo: name.hasPrefix("nuscenes")
      )
    )
  }

  private static let sensors: [(part: String, sensor: BeamModel)] = [
    ("kitti/", .hdl64e), ("nuscenes/", .hdl32e), ("vlp32c", .vlp32c), ("waymo", .waymoTop),
    ("rellis3d/os1", .os1x64), ("hdl64", .hdl64e), ("hdl32", .hdl32e), ("vlp16", .vlp16),
    ("sim/scene1000_os1_128", .os1x128), ("os1_128", .os1x128.withColumns(1024)),
    ("os0_128", .os0x128), ("os1_64", .os1x64.withColumns(1024)), ("tiny", .vlp16),
  ]

  /// The sensor where it is shipped, else what the scan tells of it.
  func sensor(of scan: LidarScan) throws -> BeamModel {
    let known = Self.sensors.first { name.contains($0.part) }?.sensor
    var model = try known ?? BeamModel(estimatedFrom: scan, name: name)
    // On robots and tripods sensors stand lower than on the roof of a car.
    let isOnACar = ["kitti/", "nuscenes/", "sim/", "waymo/"].contains { name.contains($0) }
    if !isOnACar { model.mountHeight = scan.groundDepth() ?? model.mountHeight }
    return model
  }
}
