import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

/// Damaged sensors, poses, calibrations and networks end in a typed error or something sound.
@Suite struct OtherFileMutationTests {
  @Test(.timeLimit(.minutes(10))) func sensors() throws {
    var random = Philox(seed: 5)
    try withTemporaryFolder { folder in
      let path = folder + "/sensor.json"
      try BeamModel.vlp32c.write(to: path)
      let valid = Array(try Data(contentsOf: URL(filePath: path)))
      var refusals = 0
      for _ in 0..<400 {
        try Data(Faults.damaged(valid, &random)).write(to: URL(filePath: path))
        do throws(BeamModelError) {
          let model = try BeamModel(contentsOf: path)
          #expect(throws: Never.self) { try model.validate() }
        } catch {
          refusals += 1
        }
      }
      #expect(refusals > 40)
    }
  }

  @Test(.timeLimit(.minutes(10))) func posesAndCalibrations() throws {
    var random = Philox(seed: 6)
    let line = "1 0 0 2.5e0 0 1 0 -3.25 0 0 1 10\n"
    let files = ["poses.txt": line + line, "calib.txt": "P0: " + line + "Tr: " + line]
    try withTemporaryFolder { folder in
      let scans = folder + "/velodyne"
      try FileManager.default.createDirectory(atPath: scans, withIntermediateDirectories: true)
      try LidarScan(positions: .zeros([1, 3])).writeKITTI(to: scans + "/000000.bin")
      let sequence = try SemanticKITTISequence(folder: folder)
      for (name, text) in files.sorted(by: { $0.key < $1.key }) {
        var refusals = 0
        for _ in 0..<200 {
          for (other, text) in files { try Data(text.utf8).write(to: url(folder, other)) }
          try Data(Faults.damaged(Array(text.utf8), &random)).write(to: url(folder, name))
          do throws(PointFileError) {
            let poses = try sequence.lidarPoses()
            #expect(poses.count <= 600)
          } catch {
            refusals += 1
            #expect("\(error)".contains(folder))
          }
        }
        #expect(refusals > 20, "\(name)")
      }
    }
  }

  @Test(.timeLimit(.minutes(10))) func networks() throws {
    var random = Philox(seed: 7)
    var generator = Philox(seed: 1)
    let model = PointSegmenter(SegmenterConfiguration(.tiny), using: &generator)
    model.sensor = .vlp16
    try withTemporaryFolder { folder in
      let path = folder + "/model.safetensors"
      try model.write(to: path)
      let valid = Array(try Data(contentsOf: URL(filePath: path)))
      let headerCount = 8 + valid.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
      var refusals = 0
      for _ in 0..<60 {
        let header = Faults.damaged(Array(valid.prefix(headerCount)), &random)
        try Data(header + valid.dropFirst(headerCount)).write(to: URL(filePath: path))
        do throws(SegmenterFileError) {
          let read = try PointSegmenter(path: path)
          #expect(read.configuration.flaw == nil)
        } catch {
          refusals += 1
          #expect(!"\(error)".isEmpty)
        }
      }
      #expect(refusals > 20)
    }
  }

  private func url(_ folder: String, _ name: String) -> URL { URL(filePath: folder + "/" + name) }
}
