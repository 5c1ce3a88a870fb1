import Checkpoints
import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct PointFileTests {
  @Test func kittiHasFourNumbersAPoint() throws {
    try PointSample.with(PointSample.kitti, "a.bin") { path in
      let scan = try LidarScan(kitti: path)
      #expect(scan.positions.elements == [1, 2, 3, 4, 5, 6, 7, 8, 9])
      #expect(scan.intensity?.elements == [0.5, 0.25, 0])
      #expect(scan.rings == nil)
    }
  }

  @Test func anEmptyKITTIFileIsAnEmptyScan() throws {
    try PointSample.with([], "a.bin") { path in
      let scan = try LidarScan(contentsOf: path)
      #expect(scan.count == 0)
    }
  }

  @Test func ringsAtTheEndOfFiveNumbersAreRecognized() throws {
    try PointSample.with(PointSample.ouster, "a.bin") { path in
      let scan = try LidarScan(contentsOf: path)
      #expect(scan.positions.elements == [1.5, 2, 3, 4, 5, -6, 7, 8, -9])
      #expect(scan.rings?.elements == [0, 1, 2])
      #expect(throws: PointFileError.self) { try LidarScan(kitti: path, floatsPerPoint: 0) }
    }
  }

  @Test func wholeNumbersAreFourAPoint() throws {
    try PointSample.with(PointSample.floats((0..<20).map { Float($0) }), "a.bin") { path in
      let scan = try LidarScan(contentsOf: path)
      #expect(scan.count == 5)
      #expect(scan.rings == nil)
    }
  }

  @Test func aWidthThatDoesNotFitSaysWhichDoes() throws {
    let bytes = PointSample.floats([Float](repeating: 0.5, count: 30))
    try PointSample.with(bytes, "a.bin") { path in
      let error = try #require(throws: PointFileError.self) { try LidarScan(contentsOf: path) }
      #expect("\(error)".contains("of 5 or 6 or 3: give floatsPerPoint"))
      #expect(try LidarScan(kitti: path, floatsPerPoint: 6).count == 5)
    }
  }

  @Test func nuScenesIsTurned() throws {
    try PointSample.with(PointSample.nuScenes, "a.pcd.bin") { path in
      let scan = try LidarScan(contentsOf: path)
      #expect(scan.positions.elements == [2, -1, -3, 5, -4, -6, 8, -7, 9])
      #expect(scan.rings?.elements == [31, 19, 0])
      #expect(scan.intensity?.elements == [50, 25, 0])
    }
  }

  /// Two points of six numbers are three of four, of which one has a coordinate as its intensity.
  @Test func widthsThatMayBeOthersAreAskedFor() throws {
    let bytes = PointSample.floats([1, 2, -3, 0.1, 0, 9, 4, -5, 6, 0.2, 1, 8])
    try PointSample.with(bytes, "waymo.bin") { path in
      let error = try #require(throws: PointFileError.self) { try LidarScan(contentsOf: path) }
      #expect("\(error)".contains("point 1: as four numbers a point its intensity is negative"))
      #expect("\(error)".contains("as 6 none is"))
      #expect(try LidarScan(kitti: path, floatsPerPoint: 6).intensity?.elements == [0.1, 0.2])
      #expect(try LidarScan(kitti: path, floatsPerPoint: 4).intensity?.elements == [0.1, -5, 8])
    }
    // Nothing else fits: it is what it is.
    try PointSample.with(PointSample.floats([1, 2, 3, -1]), "a.bin") { path in
      let scan = try LidarScan(contentsOf: path)
      #expect(scan.intensity?.elements == [-1])
    }
  }

  @Test func labelsAreWordsOfTwoHalves() throws {
    try PointSample.with(PointSample.labels, "a.label") { path in
      let file = try LabelFile(contentsOf: path)
      #expect(file.labels.elements == [10, 40, 65_535])
      #expect(file.instances?.elements == [7, 0, 65_535])
      let copy = path + ".copy.label"
      try file.write(to: copy)
      #expect(try Data(contentsOf: URL(fileURLWithPath: copy)) == Data(PointSample.labels))
    }
  }

  @Test func labelsOfAnotherScanAreRefused() throws {
    try withTemporaryFolder { folder in
      let scan = LidarScan(positions: .zeros([2, 3]))
      try scan.writeKITTI(to: folder + "/a.bin")
      try LabelFile(Tensor([1, 2, 3])).write(to: folder + "/a.label")
      let error = try #require(throws: PointFileError.self) {
        try LidarScan(kitti: folder + "/a.bin", labels: folder + "/a.label")
      }
      #expect("\(error)".contains("3 labels for the 2 points"))
      try LabelFile(Tensor([17, 24])).write(to: folder + "/a_lidarseg.bin")
      let labeled = try LidarScan(kitti: folder + "/a.bin", labels: folder + "/a_lidarseg.bin")
      #expect(labeled.labels?.elements == [17, 24])
      #expect(throws: PointFileError.self) {
        try LabelFile(Tensor([256])).write(to: folder + "/b_lidarseg.bin")
      }
    }
  }

  @Test func pointsWithoutAPositionAreDroppedAndCounted() throws {
    let bytes = PointSample.floats([.nan, 2, 3, 1, 0, -0.0, 0, 2, 1, 1, 1, 3, 1, .infinity, 1, 4])
    try PointSample.with(bytes, "a.bin") { path in
      var options = ScanReadingOptions(dropsZeros: true)
      let reading = try ScanReading(contentsOf: path, options: options)
      #expect(reading.rows == [2])
      #expect(reading.rowCount == 4)
      #expect(reading.nonFiniteCount == 2)
      #expect(reading.zeroCount == 1)
      #expect(reading.spread(Tensor([9]), missing: 5).elements == [5, 5, 9, 5])
      options = ScanReadingOptions()
      options.keepsNonFinite = true
      #expect(try LidarScan(contentsOf: path, options: options).count == 4)
    }
  }

  @Test(arguments: [PointFileFormat.kitti, .pcd, .ply])
  func whatIsWrittenIsRead(_ format: PointFileFormat) throws {
    let scan = LidarScan(
      positions: Tensor([1, 2, -1, 4, 5, -6], shape: [2, 3]),
      intensity: Tensor([0.5, 7]),
      rings: Tensor([0, 3]),
      labels: Tensor([10, 259]),
      instances: Tensor([0, 65_535])
    )
    try withTemporaryFolder { folder in
      let path = folder + "/scan"
      switch format {
      case .pcd: try scan.writePCD(to: path)
      case .ply: try scan.writePLY(to: path)
      default: try scan.writeKITTI(to: path)
      }
      var options = ScanReadingOptions(format: format == .kitti ? .kitti : nil)
      options.ringOrder = .topFirst
      let copy = try LidarScan(contentsOf: path, options: options)
      #expect(copy.positions == scan.positions)
      #expect(copy.intensity == scan.intensity)
      guard format != .kitti else { return }
      #expect(copy.rings == scan.rings)
      #expect(copy.labels == scan.labels)
      #expect(copy.instances == scan.instances)
    }
  }

  @Test func coloredPLYHoldsTheColorOfEachClass() throws {
    let scan = LidarScan(positions: .zeros([2, 3]))
    try withTemporaryFolder { folder in
      let path = folder + "/scan.ply"
      try scan.writePLY(to: path, coloredBy: Tensor([1, 9]), of: .semanticKITTI19)
      let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      #expect(Array(bytes.suffix(3)) == [255, 0, 255])
      #expect(Array(bytes.dropLast(15).suffix(3)) == [100, 150, 245])
      #expect(try LidarScan(contentsOf: path).count == 2)
    }
  }

  @Test func filesThatAreNotReadSayWhatToDo() throws {
    for (name, word) in [
      ("a.tfrecord", "KITTI"), ("a.npz", "labelPath"), ("a.npy", "tofile"),
      ("a.label", "labelPath"), ("a_lidarseg.bin", "labelPath"), ("a.ply.gz", "unpack"),
      ("a.txt", "name the format"),
    ] {
      try PointSample.with([1, 2, 3], name) { path in
        let error = try #require(throws: PointFileError.self) { try LidarScan(contentsOf: path) }
        #expect("\(error)".contains(word))
      }
    }
    let missing = try #require(throws: PointFileError.self) {
      try LidarScan(contentsOf: "/nowhere/a.bin")
    }
    #expect(missing == .unreadable(path: "/nowhere/a.bin", .missing))
  }
}
