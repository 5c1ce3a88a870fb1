import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct ScanAugmentationTests {
  private func cloud(_ points: [[Float]], label: Int32 = 1) -> DensityCloud {
    DensityCloud(
      positions: Tensor(points.flatMap { $0 }, shape: [points.count, 3]),
      density: Tensor(
        (0..<4 * points.count).map { Float($0) + Float(label) * 1000 },
        shape: [points.count, 4]
      ),
      labels: Tensor(repeating: label, shape: [points.count])
    )
  }

  private func sensed(_ model: BeamModel, _ label: Int32) -> SensedScan {
    var scan = SensorScans.full(model)
    scan.labels = Tensor(repeating: label, shape: [scan.count])
    return SensedScan(scan, of: model)
  }

  // MARK: - Mixing

  @Test func mixingMovesTheSecondScanAlone() {
    var generator = Philox(seed: 1)
    let (first, second) = (cloud([[1, 2, 3]]), cloud([[4, 5, 1], [0, 0, 2]], label: 2))
    let mix = Mix3D(shift: 7...7, rotation: 90...90, rotationProbability: 1)
    let found = mix(first, with: second, crop: nil, using: &generator)
    // R(90°) · (x + 7, y) = (-y, x + 7)
    expectClose(found.positions.elements, [1, 2, 3, -5, 11, 1, 0, 7, 2], absolute: 1e-5)
    #expect(found.density.elements == first.density.elements + second.density.elements)
    #expect(found.labels?.elements == [1, 2, 2])
  }

  @Test func mixedPointsOutsideAreDropped() {
    var generator = Philox(seed: 1)
    let mix = Mix3D(shift: 20...20, rotationProbability: 0)
    let box = CropVolume(radius: 10, z: -1...1, mode: .clamp)
    let found = mix(
      cloud([[1, 2, 0], [1, 2, 3]]),
      with: cloud([[-15, 0, 0], [0, 0, 0]], label: 2),
      crop: box,
      using: &generator
    )
    #expect(found.positions.elements == [1, 2, 0, 5, 0, 0])
    #expect(found.labels?.elements == [1, 2])
    #expect(found.density.elements == [1000, 1001, 1002, 1003, 2000, 2001, 2002, 2003])
  }

  @Test func mixingDrawsFromItsRanges() {
    var generator = Philox(seed: 6)
    let origin = cloud([[0, 0, 0], [1, 0, 0]], label: 2)
    var (shifts, turned): ([Double], Int) = ([], 0)
    for _ in 0..<400 {
      let empty = DensityCloud(
        positions: .zeros([0, 3]),
        density: .zeros([0, 4]),
        labels: Tensor(repeating: 0, shape: [0])
      )
      let p = Mix3D()(empty, with: origin, crop: nil, using: &generator).positions.elements
      let (dx, dy) = (Double(p[3] - p[0]), Double(p[4] - p[1]))
      expectClose([dx * dx + dy * dy], [1], absolute: 1e-5)
      if abs(dy) > 1e-6 || dx < 0 { turned += 1 }
      // The origin was moved along the direction that the second point now shows.
      shifts.append(Double(p[0]) * dx + Double(p[1]) * dy)
    }
    #expect(shifts.allSatisfy { abs($0) <= 20.001 })
    #expect((shifts.min() ?? 0) < -19 && (shifts.max() ?? 0) > 19)
    #expect(abs(turned - 200) <= 40)
  }

  @Test func labelsAreAllOrNone() async throws {
    let result = try #require(
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        let some = DensityCloud(
          positions: .zeros([1, 3]),
          density: .zeros([1, 4]),
          labels: Tensor([1])
        )
        let none = DensityCloud(positions: .zeros([1, 3]), density: .zeros([1, 4]), labels: nil)
        _ = some.joined(with: none)
      }
    )
    let text = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(text.contains("one of them has labels, the other has none"))
  }

  // MARK: - Geometry

  @Test func geometryTurnsThenMirrorsThenScales() {
    var found: Set<[Int]> = []
    var generator = Philox(seed: 2)
    let geometry = GeometricAugmentation(rotation: 90...90, scale: 2...2)
    for _ in 0..<60 {
      let p = geometry(cloud([[1, 3, 5]]), using: &generator).positions.elements
      found.insert(p.map { Int($0.rounded()) })
    }
    // (1, 3) turned is (-3, 1), mirrored in four ways, doubled.
    #expect(found == [[-6, 2, 10], [6, 2, 10], [-6, -2, 10], [6, -2, 10]])
    let plain = GeometricAugmentation(rotation: 0...0, mirrors: false, scale: 1...1)
    #expect(plain(cloud([[1, 3, 5]]), using: &generator).positions.elements == [1, 3, 5])
  }

  @Test func geometryKeepsShapesAndDensities() {
    var generator = Philox(seed: 8)
    let points = Tensor<Float>.uniform([20_000, 3], from: -30, to: 30, using: &generator)
    let density = BeamDensity(.vlp16)(points)
    let before = DensityCloud(positions: points, density: density, labels: nil)
    var factors: [Float] = []
    for _ in 0..<40 {
      let after = GeometricAugmentation()(before, using: &generator)
      #expect(after.density == density && after.labels == nil)
      let (a, b) = (after.positions.square(), points.square())
      let factor = (a.sum() / b.sum()).squareRoot()
      factors.append(factor)
      let norms = a.sum(axes: 1).sqrt()
      expectClose(norms, b.sum(axes: 1).sqrt() * factor, relative: 1e-4)
    }
    #expect(factors.allSatisfy { $0 > 0.9499 && $0 < 1.0501 })
    #expect((factors.max() ?? 0) - (factors.min() ?? 0) > 0.07)
  }

  // MARK: - Cropping

  @Test func croppingDropsOrClamps() {
    let box = CropVolume(x: -1...1, y: -2...2, z: 0...3)
    let points: [[Float]] = [[1, 2, 3], [1.1, 0, 1], [0, -9, -9], [.nan, 0, 0]]
    let dropped = box(cloud(points))
    #expect(dropped.positions.elements == [1, 2, 3] && dropped.density.shape == [1, 4])
    let clamped = box.with(.clamp)(cloud(points))
    #expect(clamped.positions.elements.prefix(9) == [1, 2, 3, 1, 0, 1, 0, -2, 0])
    #expect(clamped.density == cloud(points).density)
    let scan = LidarScan(positions: cloud(points).positions, rings: Tensor([1, 2, 3, 4]))
    #expect(box(scan).rings?.elements == [1] && box.with(.clamp)(scan).count == 4)
    #expect(CropVolume.kitti.mode == .drop && CropVolume.waymo.x == -75...75)
    #expect(CropVolume.nuScenes.z == -5...3 && CropVolume.kitti.z == -4...2)
  }

  // MARK: - All together

  @Test func densitiesAreThoseOfTheOwnSensor() throws {
    var generator = Philox(seed: 5)
    let first = sensed(SensorScans.even(4, from: 2, to: -4, columns: 60), 1)
    let second = sensed(SensorScans.even(8, from: 3, to: -4, columns: 90), 2)
    let augmentation = ScanAugmentation(
      sampling: nil,
      mix: Mix3D(probability: 1),
      crop: CropVolume(radius: 1000, z: -1000...1000)
    )
    let found = augmentation(first, using: &generator) { _ in second }
    #expect(found.count == first.scan.count + second.scan.count)
    let own = [first, second].map { BeamDensity($0.model)($0.scan) }
    #expect(found.density == .concatenating(own, axis: 0))
    #expect(found.labels?.elements.filter { $0 == 2 }.count == second.scan.count)
  }

  @Test func samplingChangesTheDensity() {
    var generator = Philox(seed: 5)
    let scan = sensed(.vlp16.withColumns(60), 1)
    let augmentation = ScanAugmentation(
      sampling: BeamSampling(probability: 1),
      mix: nil,
      geometry: nil,
      crop: nil
    )
    let found = augmentation(scan, using: &generator) { _ in nil }
    #expect(found.count < scan.scan.count && found.count % 60 == 0)
    #expect(found.density.mean() < DensityCloud(scan).density.mean())
  }

  @Test func partnersAreAskedOnlyWhenNeeded() throws {
    struct Stop: Error {}
    let scan = sensed(.vlp16.withColumns(20), 1)
    var generator = Philox(seed: 5)
    var asked = 0
    for _ in 0..<400 {
      _ = ScanAugmentation()(scan, using: &generator) { _ in
        asked += 1
        return nil
      }
    }
    #expect(abs(asked - 200) <= 40)
    let always = ScanAugmentation(mix: Mix3D(probability: 1))
    #expect(throws: Stop.self) { try always(scan, using: &generator) { _ in throw Stop() } }
    let none = ScanAugmentation.none(crop: nil)(scan, using: &generator) { _ in nil }
    #expect(none.positions == scan.scan.positions)
  }

  @Test func sameSeedsGiveTheSameExamples() throws {
    let scans = (0..<3).map { sensed(.vlp16.withColumns(40 + $0), Int32($0)) }
    let augmentation = ScanAugmentation(interpolation: BeamInterpolation())
    func run(_ seed: UInt64) -> [DensityCloud] {
      (0..<6).map { step in
        var generator = Philox(seed: seed).fork(step)
        return augmentation(scans[step % 3], using: &generator) { generator in
          scans[generator.integer(below: 3)]
        }
      }
    }
    let (a, b, c) = (run(1), run(1), run(2))
    #expect(zip(a, b).allSatisfy { $0.positions == $1.positions && $0.density == $1.density })
    #expect(zip(a, c).contains { $0.positions != $1.positions })
    let data = try JSONEncoder().encode(augmentation)
    #expect(try JSONDecoder().decode(ScanAugmentation.self, from: data) == augmentation)
  }

  @Test func emptyScansGoThrough() {
    var generator = Philox(seed: 5)
    let empty = SensedScan(LidarScan(positions: .zeros([0, 3])), of: .vlp16)
    let augmentation = ScanAugmentation(
      interpolation: BeamInterpolation(),
      sampling: BeamSampling(probability: 1),
      mix: Mix3D(probability: 1)
    )
    let found = augmentation(empty, using: &generator) { _ in empty }
    #expect(found.count == 0 && found.density.shape == [0, 4])
  }
}
