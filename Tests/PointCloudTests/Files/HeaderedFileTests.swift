import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

/// PCD, PLY and LAS files made by hand.
@Suite struct HeaderedFileTests {
  private func refusal(_ bytes: [UInt8], _ name: String) throws -> String {
    try PointSample.with(bytes, name) { path in
      let error = try #require(throws: PointFileError.self) { try LidarScan(contentsOf: path) }
      return "\(error)"
    }
  }

  private func replaced(_ bytes: [UInt8], _ old: String, _ new: String) -> [UInt8] {
    var data = Data(bytes)
    if let range = data.range(of: Data(old.utf8)) {
      data.replaceSubrange(range, with: Data(new.utf8))
    }
    return Array(data)
  }

  @Test func asciiPCDSkipsPadding() throws {
    try PointSample.with(PointSample.asciiPCD, "a.pcd") { path in
      let reading = try ScanReading(contentsOf: path)
      #expect(reading.scan.positions.elements == [1, 2, 3, -15, 2.25, 0.5])
      #expect(reading.scan.intensity?.elements == [9, 7])
      #expect(reading.scan.labels?.elements == [10, 70])
      #expect(reading.rows == [0, 2])
      #expect(reading.nonFiniteCount == 1)
    }
  }

  @Test(arguments: [PointSample.binaryPCD, PointSample.compressedPCD])
  func binaryPCDMayLackCountAndPoints(_ bytes: [UInt8]) throws {
    try PointSample.with(bytes, "no ending") { path in
      let reading = try ScanReading(contentsOf: path)
      #expect(reading.scan.positions.elements == [0, 1, 2, 1, 1, 1, 2, 1, 0])
      #expect(reading.scan.rings?.elements == [0, 1, 2])
      #expect(!reading.ringsWereTurned)
    }
  }

  @Test(arguments: [PointSample.asciiPCD, PointSample.binaryPCD, PointSample.compressedPCD])
  func morePointsThanBytesAreRefused(_ bytes: [UInt8]) throws {
    let many = replaced(
      replaced(bytes, "WIDTH 3", "WIDTH 2000000000"),
      "POINTS 3",
      "POINTS 2000000000"
    )
    #expect(try refusal(many, "a.pcd").contains("2000000000 points need"))
    let huge = replaced(replaced(bytes, "WIDTH 3", "WIDTH 999999999999999999"), "POINTS 3", "")
    #expect(try refusal(huge, "a.pcd").contains("999999999999999999 points"))
  }

  @Test func compressedPCDCannotGrowWithoutBound() throws {
    var bytes = PointSample.compressedPCD
    let start = bytes.count - 41 - 4
    bytes.replaceSubrange(start..<start + 4, with: [255, 255, 255, 255])
    #expect(try refusal(bytes, "a.pcd").contains("compressed"))
  }

  @Test func faultsNameTheLine() throws {
    let word = replaced(PointSample.asciiPCD, ".5 0 0 7", "one 0 0 7")
    #expect(try refusal(word, "a.pcd").contains("line 15: \"one\" is no number"))
    let short = replaced(PointSample.asciiPCD, " 9 10", " 9")
    #expect(try refusal(short, "a.pcd").contains("line 12: the line ends too early"))
    let long = replaced(PointSample.asciiPCD, " 9 10", " 9 10 11")
    #expect(try refusal(long, "a.pcd").contains("line 12: the line has more"))
    let field = replaced(PointSample.asciiPCD, "FIELDS x", "FIELDS q")
    #expect(try refusal(field, "a.pcd").contains("no field \"x\", they have \"q\", \"y\""))
    let label = replaced(PointSample.asciiPCD, "7 70", "7 70.5")
    #expect(try refusal(label, "a.pcd").contains("point 2: the label is no whole number"))
  }

  @Test func asciiPLYSkipsListsAndOtherElements() throws {
    try PointSample.with(PointSample.asciiPLY, "a.ply") { path in
      let scan = try LidarScan(contentsOf: path)
      #expect(scan.positions.elements == [1, 2, 3, 4, 5, 6])
      #expect(scan.labels?.elements == [5, 6])
    }
  }

  @Test(arguments: [false, true])
  func binaryPLYOfEitherOrder(_ isBig: Bool) throws {
    try PointSample.with(PointSample.binaryPLY(isBig: isBig), "a.ply") { path in
      let scan = try LidarScan(contentsOf: path)
      #expect(scan.positions.elements == [1.5, -2, 3, 4, 5, 6])
    }
  }

  @Test func vertexListsInBinaryPLYAreSkipped() throws {
    let header =
      "ply\nformat binary_little_endian 1.0\nelement vertex 2\nproperty float x\n"
      + "property list uchar uchar l\nproperty float y\nproperty float z\nend_header\n"
    var bytes = Array(header.utf8)
    bytes += PointSample.word(1) + [2, 9, 9] + PointSample.floats([2, 3])
    bytes += PointSample.word(4) + [0] + PointSample.floats([5, 6])
    try PointSample.with(bytes, "a.ply") { path in
      let scan = try LidarScan(ply: path)
      #expect(scan.positions.elements == [1, 2, 3, 4, 5, 6])
    }
  }

  @Test(arguments: [PointSample.asciiPLY, PointSample.binaryPLY(isBig: false)])
  func moreVerticesThanBytesAreRefused(_ bytes: [UInt8]) throws {
    let many = replaced(bytes, "vertex 2", "vertex 2000000000")
    #expect(try refusal(many, "a.ply").contains("2000000000 records of element vertex need"))
    let faces = replaced(bytes, "vertex 2", "faces 2000000000")
    #expect(try refusal(faces, "a.ply").contains("no element vertex"))
  }

  @Test(arguments: 0...10)
  func lasOfAllPointFormats(_ format: Int) throws {
    let bytes = PointSample.las(format: format, minor: format < 6 ? 2 : 4, extra: format % 3)
    try PointSample.with(bytes, "a.las") { path in
      let scan = try LidarScan(contentsOf: path)
      #expect(scan.positions.elements == [101, 98, 103, 101, 98, 103])
      #expect(scan.intensity?.elements == [500, 501])
      #expect(scan.labels?.elements == (format < 6 ? [5, 5] : [0x45, 0x45]))
    }
  }

  @Test func mapsNeedAnOrigin() throws {
    let bytes = PointSample.las(format: 0, offset: 5_400_000)
    #expect(try refusal(bytes, "a.las").contains("give the sensor's position as origin"))
    try PointSample.with(bytes, "a.las") { path in
      let origin = SIMD3<Double>(repeating: 5_400_000)
      let scan = try LidarScan(las: path, origin: origin)
      #expect(scan.positions[0].elements == [1, -2, 3])
    }
  }

  @Test func lasFaultsAreNamed() throws {
    let good = PointSample.las(format: 0)
    var bytes = good
    bytes[104] = 0x80
    #expect(try refusal(bytes, "a.laz").contains("laszip"))
    bytes[104] = 11
    #expect(try refusal(bytes, "a.las").contains("point format 11"))
    bytes = good
    bytes[105] = 19
    #expect(try refusal(bytes, "a.las").contains("records of 19 bytes"))
    #expect(try refusal(Array(good.dropLast()), "a.las").contains("2 points need 40 bytes"))
    #expect(try refusal(Array(good.prefix(200)), "a.las").contains("the header need 227"))
    bytes = good
    bytes[25] = 5
    #expect(try refusal(bytes, "a.las").contains("LAS 1.5 is not read"))
  }
}
