import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

/// Damaged files end in a typed error or a scan.
@Suite struct PointFileMutationTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    var testDescription: String { name }
  }

  static let cases = [
    Case(name: "kitti.bin", bytes: PointSample.kitti),
    Case(name: "ouster.bin", bytes: PointSample.ouster),
    Case(name: "nuscenes.pcd.bin", bytes: PointSample.nuScenes),
    Case(name: "ascii.pcd", bytes: PointSample.asciiPCD),
    Case(name: "binary.pcd", bytes: PointSample.binaryPCD),
    Case(name: "compressed.pcd", bytes: PointSample.compressedPCD),
    Case(name: "ascii.ply", bytes: PointSample.asciiPLY),
    Case(name: "little.ply", bytes: PointSample.binaryPLY(isBig: false)),
    Case(name: "big.ply", bytes: PointSample.binaryPLY(isBig: true)),
    Case(name: "old.las", bytes: PointSample.las(format: 1)),
    Case(name: "new.las", bytes: PointSample.las(format: 7, minor: 4)),
    Case(name: "file.label", bytes: PointSample.labels),
  ]

  @Test(.timeLimit(.minutes(10)), arguments: cases)
  func damageIsAnErrorOrAScan(_ item: Case) throws {
    var random = Philox(seed: 20_24)
    try withTemporaryFolder { folder in
      let path = folder + "/" + item.name
      var refusals = 0
      for _ in 0..<1000 {
        let bytes = Faults.damaged(item.bytes, &random)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        do throws(PointFileError) {
          if path.hasSuffix(".label") {
            _ = try LabelFile(contentsOf: path)
          } else {
            let scan = try LidarScan(contentsOf: path)
            #expect(scan.count <= bytes.count)
          }
        } catch {
          refusals += 1
          #expect("\(error)".contains(path))
        }
      }
      #expect(refusals > 0)
    }
  }
}
