import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

/// The simulated scans of the shared data: one street of another generator, seen by five sensors.
@Suite(
  .enabled(if: DataFolder.has("lidar/sim"), "\(DataFolder.skipMessage("lidar/sim"))"),
  .timeLimit(.minutes(10))
)
struct SharedScanTests {
  /// A scan as numbers: x, y, z, intensity of each point, and its label.
  private struct Points {
    var values: [Float]
    var labels: [Int32]

    /// Points of 4 Float and the labels beside them.
    init(shared name: String) throws {
      let path = DataFolder.path("lidar/sim/scene1000_\(name)")
      let (points, labels) = (
        try Data(contentsOf: URL(fileURLWithPath: path + ".bin")),
        try Data(contentsOf: URL(fileURLWithPath: path + ".label"))
      )
      values = points.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
      self.labels = labels.withUnsafeBytes { Array($0.bindMemory(to: Int32.self)) }
    }

    /// The mean intensity of a label's points.
    func intensity(of label: Int32) -> Double {
      let all = labels.indices.filter { labels[$0] == label }.map { Double(values[4 * $0 + 3]) }
      return all.reduce(0, +) / Double(all.count)
    }
  }

  /// In the order of `testSensors`.
  private static let names = ["hdl64", "hdl32", "vlp16", "waymo64", "os1_128"]

  /// One street is within three deviations of ours (a street's count has a deviation of 1.5 % for
  /// the HDL-64E, to 8 % for the OS1-128 that looks far up); we take a sixth for all.
  @Test(.tags(.statistical), arguments: zip(testSensors, names))
  func pointCountsAreLikeOurs(model: BeamModel, name: String) throws {
    let simulator = LidarSimulator(model: model)
    let counts = (0..<12).map { simulator.scan(StreetScene(seed: 900 + $0), seed: $0).count }
    let mean = Double(counts.reduce(0, +)) / Double(counts.count)
    let shared = Double(try Points(shared: name).labels.count)
    #expect(abs(shared / mean - 1) < 1 / 6.0, "\(name): \(shared), ours \(mean)")
  }

  /// Reflectance, incidence and intensity: what each class sends back on average.
  ///
  /// Walls have the widest margin, three deviations between streets: how obliquely they are seen
  /// depends on where houses stand.
  @Test(
    .tags(.statistical),
    arguments: [(70, 0.01), (50, 0.1), (71, 0.03), (80, 0.06), (40, 0.015)] as [(Int32, Double)]
  )
  func intensitiesAreLikeOurs(label: Int32, margin: Double) throws {
    let shared = try Points(shared: "hdl64").intensity(of: label)
    let simulator = LidarSimulator(model: BeamModel.hdl64e)
    var (sum, count) = (0.0, 0)
    for seed in 900..<906 as Range<UInt64> {
      let scan = simulator.scan(StreetScene(seed: seed), seed: seed)
      let (labels, intensity) = (
        try #require(scan.labels).elements, try #require(scan.intensity).elements
      )
      for index in stride(from: 0, to: labels.count, by: 3) where labels[index] == label {
        sum += Double(intensity[index])
        count += 1
      }
    }
    #expect(
      abs(shared - sum / Double(count)) < margin,
      "\(label): \(shared), \(sum / Double(count))"
    )
  }
}
