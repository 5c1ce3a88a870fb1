import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct BeamSamplingTests {
  static let sensor = SensorScans.even(20, from: 10, to: -18, columns: 90)

  @Test func keptBeamsTakeTheirPointsAndTheirSensor() {
    var scan = SensorScans.full(Self.sensor)
    scan.labels = Tensor((0..<Int32(scan.count)).map { $0 % 7 }, shape: [scan.count])
    let part = SensedScan(scan, of: Self.sensor).keeping([2, 3, 19])
    #expect(part.model.elevations == [2, 3, 19].map { Self.sensor.elevations[$0] })
    #expect(part.model.columnCount == 90 && part.scan.count == 270)
    let rings = part.scan.rings?.elements ?? []
    #expect(rings == (0..<270).map { $0 / 90 })
    #expect(part.scan.labels?.elements == (180..<360).map { $0 % 7 } + (1710..<1800).map { $0 % 7 })
    #expect(part.scan.positions[0] == scan.positions[180])
  }

  /// The beams of points without rings are found by their elevations.
  @Test func ringsAreNotNeeded() {
    let known = SensedScan(SensorScans.full(Self.sensor), of: Self.sensor).keeping([0, 9])
    let found = SensedScan(SensorScans.full(Self.sensor, hasRings: false), of: Self.sensor)
      .keeping([0, 9])
    #expect(found.scan.positions == known.scan.positions && found.model == known.model)
    #expect(found.scan.rings == nil)
  }

  /// Subsets of 30 to 70 percent, and every second, third and fourth beam: all occur.
  @Test func drawnBeamsAreAsSpecified() {
    var generator = Philox(seed: 9)
    let sampling = BeamSampling()
    var (steps, sizes): (Set<[Int]>, Set<Int>) = ([], [])
    for _ in 0..<600 {
      let beams = sampling.keptBeams(of: 64, using: &generator)
      #expect(beams == Set(beams).sorted() && beams.allSatisfy { (0..<64).contains($0) })
      let gaps = Set(zip(beams, beams.dropFirst()).map { $1 - $0 })
      if gaps.count == 1, let gap = gaps.first, beams[0] < gap, beams[beams.count - 1] + gap >= 64 {
        steps.insert([gap, beams[0]])
      } else {
        sizes.insert(beams.count)
      }
    }
    // Nine pairs of step and phase; sizes from ⌈19.2⌉ to ⌊44.8⌋.
    #expect(steps.count == 9 && steps.allSatisfy { (2...4).contains($0[0]) })
    #expect(sizes == Set(20...44))
  }

  @Test func halfOfTheScansKeepAllBeams() {
    var generator = Philox(seed: 4)
    let scan = SensedScan(SensorScans.full(Self.sensor.withColumns(3)), of: Self.sensor)
    let kept = (0..<400).filter { _ in
      BeamSampling()(scan, using: &generator).model.beamCount == 20
    }
    // Four standard deviations of 400 fair coins.
    #expect(abs(kept.count - 200) <= 40)
    #expect(BeamSampling(probability: 0)(scan, using: &generator).model.beamCount == 20)
    #expect(BeamSampling(probability: 1)(scan, using: &generator).model.beamCount < 20)
  }

  @Test(arguments: [1, 2, 3]) func fewBeamsLeaveAtLeastOne(count: Int) {
    var generator = Philox(seed: UInt64(count))
    for _ in 0..<100 {
      let beams = BeamSampling().keptBeams(of: count, using: &generator)
      #expect(!beams.isEmpty && beams.allSatisfy { $0 < count })
    }
  }

  @Test func emptyScansStayEmpty() {
    var generator = Philox(seed: 4)
    let empty = LidarScan(positions: .zeros([0, 3]))
    let found = BeamSampling(probability: 1)(SensedScan(empty, of: .vlp16), using: &generator)
    #expect(found.scan.count == 0 && found.model.beamCount < 16)
    var model = BeamModel.vlp16
    model.elevations = []
    let none = BeamSampling(probability: 1)(SensedScan(empty, of: model), using: &generator)
    #expect(none.model == model)
  }

  /// With the sensor of the kept beams, half the beams are half as dense; that is the point.
  @Test func densityFollowsTheKeptBeams() {
    let sensor = SensorScans.even(81, from: 20, to: -20, columns: 180)
    let full = SensedScan(SensorScans.full(sensor), of: sensor)
    let half = full.keeping(Array(stride(from: 0, to: 81, by: 2)))
    let point = 40 * 180  // the first of the middle beam
    let (all, part) = (DensityCloud(full).density[point], DensityCloud(half).density[point / 2])
    expectClose(part * part * 2, all * all, relative: 0.05)
  }
}
