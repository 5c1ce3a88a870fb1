import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

/// The figures of the specification's simulator: means over many streets.
@Suite(.timeLimit(.minutes(10)))
struct SimulatedFiguresTests {
  /// Margins are three standard errors of 24 streets, in points.
  @Test(
    .tags(.statistical),
    arguments: zip(
      testSensors,
      [(127_000, 1_500), (31_600, 700), (23_600, 1_300), (151_000, 2_500), (204_000, 9_000)]
    )
  )
  func pointCountsAreThoseOfTheSpecification(
    model: BeamModel,
    expected: (mean: Int, margin: Int)
  ) {
    let simulator = LidarSimulator(model: model)
    let counts = (0..<24).map { simulator.scan(StreetScene(seed: 500 + $0), seed: $0).count }
    let mean = counts.reduce(0, +) / counts.count
    #expect(abs(mean - expected.mean) < expected.margin, "\(model.name): \(mean)")
  }

  /// Shares of an HDL-64E's points in percent over 60 streets.
  ///
  /// Margins are three standard errors of the difference to a mean over 24 streets, as the shares
  /// of cars, trucks and fences differ much between streets (deviations of 5, 4 and 1.6).
  @Test(.tags(.statistical))
  func classSharesAreThoseOfTheSpecification() throws {
    let rows: [(labels: Set<Int32>, share: Double, margin: Double)] = [
      ([40, 44], 34, 6), ([50], 19, 5), ([48], 15, 3), ([72], 13, 4), ([10], 9, 3.6),
      ([70, 71], 3, 1.2), ([13, 16, 20], 2, 2), ([18], 1.7, 2), ([51], 1.8, 1.1),
      ([80], 0.8, 0.35), ([30], 0.8, 0.4), ([11], 0.3, 0.25), ([15], 0.3, 0.45),
    ]
    let simulator = LidarSimulator(model: BeamModel.hdl64e)
    var (counts, total) = ([Int32: Int](), 0)
    for seed in 0..<60 as Range<UInt64> {
      let scan = simulator.scan(StreetScene(seed: 500 + seed), seed: seed)
      for (label, count) in try #require(scan.labels).counts { counts[label, default: 0] += count }
      total += scan.count
    }
    for row in rows {
      let count = row.labels.map { counts[$0, default: 0] }.reduce(0, +)
      let share = 100 * Double(count) / Double(total)
      #expect(abs(share - row.share) < row.margin, "\(row.labels.sorted()): \(share)")
    }
  }

  /// The range's noise on flat ground: the deviation from where the ray meets the plane.
  @Test(.tags(.statistical), arguments: zip(testSensors, [0.02, 0.02, 0.03, 0.02, 0.015]))
  func rangesAreAsExactAsTheSensor(model: BeamModel, deviation: Double) throws {
    let pose = TestStreets.pose(height: model.mountHeight)
    let simulator = LidarSimulator(model: model)
    let scan = simulator.scan(TestStreets.empty, from: pose, Philox(seed: 3))
    let (labels, p) = (try #require(scan.labels).elements, scan.positions.elements)
    var (square, count) = (0.0, 0)
    for index in labels.indices where labels[index] == 40 {
      let (x, y, z) = (Double(p[3 * index]), Double(p[3 * index + 1]), Double(p[3 * index + 2]))
      let range = (x * x + y * y + z * z).squareRoot()
      let error = range * (1 + model.mountHeight / z)
      square += error * error
      count += 1
    }
    // At least 1,500 points: the standard error of the deviation is 1.8 %.
    #expect(count > 1500)
    #expect(abs((square / Double(count)).squareRoot() / deviation - 1) < 0.1)
  }

  /// A fence stops a quarter of the rays that meet it.
  @Test(.tags(.statistical))
  func fencesLetMostRaysThrough() throws {
    let part = ScenePart(
      .box,
      centre: SIMD3(0, 8, 1),
      halfExtents: SIMD3(30, 0.06, 1),
      surface: .init(label: 51, reflectance: 0.4),
      stopProbability: 0.25
    )
    let fence = SceneObject(.fence, radius: 30, parts: [part])
    let scene = StreetScene(layout: TestStreets.layout, objects: [fence])
    let simulator = LidarSimulator(model: BeamModel.hdl64e)
    let scan = simulator.scan(scene, from: TestStreets.pose(), Philox(seed: 3))
    let labels = try #require(scan.labels).counts
    let solid = SceneObject(.fence, radius: 30, parts: [part.solid])
    let wall = StreetScene(layout: TestStreets.layout, objects: [solid])
    let all = simulator.scan(wall, from: TestStreets.pose(), Philox(seed: 3))
    let met = try #require(all.labels).counts[51, default: 0]
    #expect(met > 10_000)
    #expect(abs(Double(labels[51, default: 0]) / Double(met) - 0.25) < 0.02)
  }
}

extension ScenePart {
  /// The part without holes.
  fileprivate var solid: ScenePart {
    var part = self
    part.stopProbability = 1
    return part
  }
}

extension Tensor where Element == Int32 {
  /// How often each value occurs.
  var counts: [Int32: Int] {
    withUnsafeElements { elements in
      // Labels come in runs: a dictionary is asked once for each.
      var (counts, index) = ([Int32: Int](), 0)
      while index < elements.count {
        let (value, start) = (elements[index], index)
        while index < elements.count, elements[index] == value { index += 1 }
        counts[value, default: 0] += index - start
      }
      return counts
    }
  }
}
