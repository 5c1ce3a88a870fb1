import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct BeamDensityTests {
  /// The paper's figure 1: a car at 35 m in Waymo, 25 m in KITTI and 12 m in nuScenes has about the
  /// same density.
  @Test func carsOfThreeDataSetsAreEquallyDense() {
    func density(
      _ beams: Int,
      _ range: ClosedRange<Double>,
      _ columns: Int,
      at metres: Double
    ) -> Float {
      let step = (range.upperBound - range.lowerBound) / Double(beams)
      let model = BeamModel(
        name: "even",
        elevations: (0..<beams).map { range.upperBound - step * Double($0) },
        columnCount: columns,
        mountHeight: 1.8,
        maximumRange: 100
      )
      return BeamDensity(model).density(atRange: metres, elevation: -5)[0]
    }
    let waymo = density(64, -17.6...2.4, 2560, at: 35)
    let kitti = density(64, -24.8...2, 2048, at: 25)
    let nuScenes = density(32, -30...10, 1080, at: 12)
    expectClose([waymo, kitti, nuScenes], [0.0136, 0.0147, 0.0129], absolute: 2e-4)
    let all = [waymo, kitti, nuScenes]
    #expect((all.max() ?? 0) / (all.min() ?? 1) < 1.15)
  }

  /// The definition, pixel by pixel, in the plainest form.
  private func plain(_ model: BeamModel, _ point: [Float], sigma: Int) -> Double {
    let (x, y, z) = (Double(point[0]), Double(point[1]), Double(point[2]))
    let norm = (x * x + y * y + z * z).squareRoot()
    let i = Int(((asin(z / norm) * 180 / .pi + 55) / 0.1).rounded(.down))
    var azimuth = (atan2(y, x) * 180 / .pi).truncatingRemainder(dividingBy: 360)
    if azimuth < 0 { azimuth += 360 }
    let j = Int(azimuth / 0.1) % 3600
    func weight(_ distance: Int) -> Double {
      abs(distance) > 3 * sigma ? 0 : exp(-Double(distance * distance) / Double(2 * sigma * sigma))
    }
    let sum = (-3 * sigma...3 * sigma).map(weight).reduce(0, +)
    let vertical = model.elevations.map { elevation in
      weight(i - Int(((elevation + 55) / 0.1 + 1e-6).rounded(.down)))
    }
    let horizontal = (0..<model.columnCount).map { column -> Double in
      let pixel = Int((Double(column) + 0.5) * 3600 / Double(model.columnCount)) % 3600
      let distance = abs(j - pixel)
      return weight(min(distance, 3600 - distance))
    }
    let product = vertical.reduce(0, +) * horizontal.reduce(0, +) / (sum * sum)
    return product.squareRoot() / max(norm, 0.5)
  }

  @Test(arguments: [BeamModel.hdl64e, .vlp16, .os0x128, .os1x128.withColumns(5000)])
  func densitiesFollowTheDefinition(model: BeamModel) {
    var generator = Philox(seed: 11)
    var points: [[Float]] = []
    for _ in 0..<40 {
      let angles = (Double(generator.uniform()) * 360, Double(generator.uniform()) * 104 - 52)
      points.append(SensorScans.point(0.3 + 60 * Double(generator.uniform()), angles.1, angles.0))
    }
    let found = BeamDensity(model)(Tensor(points.flatMap { $0 }, shape: [40, 3]))
    for (channel, sigma) in [10, 30, 50, 70].enumerated() {
      let expected = points.map { Float(plain(model, $0, sigma: sigma)) }
      let column = (0..<40).map { found.elements[4 * $0 + channel] }
      expectClose(column, expected, relative: 1e-6, absolute: 1e-12)
    }
  }

  @Test func densityFallsWithTheRange() {
    let density = BeamDensity(.hdl64e)
    let near = density.density(atRange: 5.05, elevation: -3.05, azimuth: 33.33)
    let far = density.density(atRange: 20.2, elevation: -3.05, azimuth: 33.33)
    expectClose(far.map { $0 * 4 }, near, relative: 1e-5)
  }

  /// Below half a metre the range counts as half a metre.
  @Test func nearRangesAreAlike() {
    let density = BeamDensity(.hdl64e)
    let least = density.density(atRange: 0.5, elevation: -3.05)
    expectClose(density.density(atRange: 0.01, elevation: -3.05), least, relative: 1e-5)
  }

  /// 3600 columns fill each pixel once, so the azimuth does not matter at all; other numbers of
  /// columns leave pixels empty or fill them twice, which the smoothing evens out.
  @Test(arguments: [(3600, 1e-5), (7200, 1e-5), (1800, 1e-3), (2083, 0.02), (1024, 0.02)])
  func turningChangesLittle(columns: Int, tolerance: Float) {
    let density = BeamDensity(BeamModel.hdl64e.withColumns(columns))
    let ahead = density.density(atRange: 20, elevation: -6.03, azimuth: 0.05)
    for azimuth in stride(from: -179.97, to: 540, by: 7.3) {
      let found = density.density(atRange: 20, elevation: -6.03, azimuth: azimuth)
      expectClose(found, ahead, relative: tolerance, "\(azimuth)")
    }
  }

  /// Half the beams halve D² where they are evenly spread, far from the first and the last.
  @Test func everySecondBeamHalvesTheSquare() {
    let model = SensorScans.even(101, from: 20, to: -20, columns: 1800)
    let half = model.keeping(Array(stride(from: 0, to: 101, by: 2)))
    let full = BeamDensity(model).density(atRange: 10, elevation: 0.05, azimuth: 0)
    let part = BeamDensity(half).density(atRange: 10, elevation: 0.05, azimuth: 0)
    // A ripple of 0.8 degrees is left of the beams at a deviation of 1 degree.
    expectClose(part.map { $0 * $0 * 2 }, full.map { $0 * $0 }, relative: 0.01)
  }

  @Test func beamsBeyondTheGridCountNowhere() {
    var model = BeamModel.vlp16
    let full = BeamDensity(model)(Tensor(SensorScans.point(9, 3, 3), shape: [1, 3]))
    model.elevations = [80, 55] + model.elevations + [-55.2, -90]
    #expect(BeamDensity(model)(Tensor(SensorScans.point(9, 3, 3), shape: [1, 3])) == full)
    model.elevations = [80]
    let alone = BeamDensity(model)(Tensor(SensorScans.point(9, 80, 3), shape: [1, 3]))
    #expect(alone.elements == [0, 0, 0, 0])
  }

  @Test func oddPointsDoNoHarm() {
    let density = BeamDensity(.vlp16)
    #expect(density(Tensor<Float>.zeros([0, 3])).shape == [0, 4])
    let (huge, tiny) = (Float.greatestFiniteMagnitude, Float.leastNonzeroMagnitude)
    let points: [Float] = [
      0, 0, 0, -0.0, -0.0, -0.0, .nan, 1, 1, 1, .infinity, 1, 1, 1, -.infinity, huge, huge, huge,
      0, 0, 5, 0, 0, -5, -1, -1e-30, 0, tiny, 0, tiny,
    ]
    let found = density(Tensor(points, shape: [10, 3]))
    #expect(found.isFinite().all())
    #expect(found[2].elements == [0, 0, 0, 0] && found[3].elements == [0, 0, 0, 0])
    for elevation in [90.0, -90, 1e300, .nan] {
      #expect(density.density(atRange: 3, elevation: elevation).allSatisfy { $0.isFinite })
    }
    // The origin is seen ahead at the horizon from half a metre.
    expectClose(found[0].elements, density.density(atRange: 0.5, elevation: 0), relative: 1e-6)
  }

  @Test func oneBeamAndOneColumn() {
    var model = SensorScans.even(1, from: 0, to: 0, columns: 1)
    let found = BeamDensity(model).density(atRange: 10, elevation: 0.05, azimuth: 180.05)
    // √(1 / (10² · 2π · σ²)) for σ of 10 pixels, of which the kernel's sum holds 99.7 percent.
    expectClose([found[0]], [Float(1 / (10 * (2 * Double.pi).squareRoot() * 10))], relative: 5e-3)
    model.elevations = []
    #expect(BeamDensity(model).density(atRange: 10, elevation: 0) == [0, 0, 0, 0])
  }

  /// Parts are larger than a work item, so several threads take part.
  @Test func manyPointsAreLikeFew() {
    var generator = Philox(seed: 2)
    let points = Tensor<Float>.uniform([20_011, 3], from: -40, to: 40, using: &generator)
    let density = BeamDensity(.hdl32e)
    let all = density(points)
    for start in [0, 4095, 8191, 20_000] {
      #expect(density(points[start..<start + 11]) == all[start..<start + 11])
    }
  }
}
