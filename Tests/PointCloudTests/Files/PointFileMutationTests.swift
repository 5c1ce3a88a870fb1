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

  @Test(.timeLimit(.minutes(5)), arguments: cases)
  func damageIsAnErrorOrAScan(_ item: Case) throws {
    var random = Philox(seed: 20_24)
    try withTemporaryFolder { folder in
      let path = folder + "/" + item.name
      var refusals = 0
      for _ in 0..<1000 {
        let bytes = mutated(item.bytes, &random)
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

  /// One to three faults: a cut, changed bytes, inserted or removed ones, larger numbers in text.
  private func mutated(_ original: [UInt8], _ random: inout Philox) -> [UInt8] {
    var bytes = original
    func below(_ limit: Int) -> Int { Int(random.nextWord() % UInt32(max(limit, 1))) }
    let interesting: [UInt8] = [0, 0x0A, 0x0D, 0x20, 0x2D, 0x30, 0x39, 0x7F, 0x80, 0xFF]
    for _ in 0...below(3) {
      let place = below(bytes.count)
      let value =
        below(2) == 0
        ? interesting[below(interesting.count)] : UInt8(truncatingIfNeeded: below(256))
      switch below(6) {
      case 0: bytes = Array(bytes.prefix(place))
      case 1: bytes.insert(value, at: place)
      case 2: if place < bytes.count { bytes.remove(at: place) }
      case 3: bytes.insert(contentsOf: [UInt8](repeating: 0x39, count: below(24)), at: place)
      case 4:
        let end = min(place + 1 + below(8), bytes.count)
        for index in place..<max(place, end) { bytes[index] = value }
      default: if place < bytes.count { bytes[place] ^= 1 << UInt8(below(8)) }
      }
    }
    return bytes
  }
}
