import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct SemanticKITTISequenceTests {
  private func withSequence(_ body: (String) throws -> Void) throws {
    try withTemporaryFolder { root in
      let folder = root + "/sequences/08"
      for name in ["velodyne", "labels"] {
        try FileManager.default.createDirectory(
          atPath: "\(folder)/\(name)",
          withIntermediateDirectories: true
        )
      }
      for (index, name) in ["000001", "000000"].enumerated() {
        let scan = LidarScan(positions: Tensor<Float>.zeros([1 + index, 3]))
        try scan.writeKITTI(to: "\(folder)/velodyne/\(name).bin")
      }
      try LabelFile(Tensor([40, 48])).write(to: folder + "/labels/000000.label")
      // Tr turns x forward, y left, z up into x right, y down, z forward.
      let calibration = "P0: 1 0 0 0 0 1 0 0 0 0 1 0\nTr: 0 -1 0 0.5 0 0 -1 0 1 0 0 0\n"
      try Data(calibration.utf8).write(to: URL(fileURLWithPath: folder + "/calib.txt"))
      let poses = "1 0 0 0 0 1 0 0 0 0 1 0\n1 0 0 0 0 1 0 0 0 0 1 2.5e0\n"
      try Data(poses.utf8).write(to: URL(fileURLWithPath: folder + "/poses.txt"))
      try body(root)
    }
  }

  @Test func scansAreSortedAndLabeled() throws {
    try withSequence { root in
      let sequence = try SemanticKITTISequence(root: root, number: 8)
      #expect(sequence.scanNames == ["000000", "000001"])
      #expect(try sequence.scan(at: 0).labels?.elements == [40, 48])
      #expect(try sequence.scan(at: 1).labels == nil)
      let path = sequence.predictionPath(at: 1, in: "/results")
      #expect(path == "/results/sequences/08/predictions/000001.label")
    }
  }

  /// Two and a half metres along the camera's axis are as many forward for the LiDAR.
  @Test func posesComeIntoTheFrameOfTheLidar() throws {
    try withSequence { root in
      let poses = try SemanticKITTISequence(root: root, number: 8).lidarPoses()
      #expect(poses.count == 2)
      #expect(poses[0] == .identity)
      let moved = poses[1](SIMD3(1, 2, 3))
      #expect((moved - SIMD3(3.5, 2, 3)).max() < 1e-12)
      let back = poses[1].inverse(moved)
      #expect((back - SIMD3(1, 2, 3)).max() < 1e-12)
    }
  }

  @Test func faultsNameFileAndLine() throws {
    try withSequence { root in
      let sequence = try SemanticKITTISequence(root: root, number: 8)
      let path = sequence.folder + "/poses.txt"
      try Data("1 0 0 0 0 1 0 0 0 0 1 0\n1 2 3\n".utf8).write(to: URL(fileURLWithPath: path))
      let error = try #require(throws: PointFileError.self) { try sequence.cameraPoses() }
      #expect("\(error)".contains("poses.txt, line 2: 3 words"))
      #expect(throws: PointFileError.self) { try SemanticKITTISequence(root: root, number: 9) }
    }
  }
}
