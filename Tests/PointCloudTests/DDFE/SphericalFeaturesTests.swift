import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct SphericalFeaturesTests {
  @Test func axesAndDegenerateRanges() {
    let places: [Float] = [
      25, 0, 0,  // ahead
      0, 50, 0,  // to the left
      3, 4, -5,
      0, 0, 2,  // straight above
      0, 0, 0,
    ]
    let found = SphericalFeatures.ofPoints(Tensor(places, shape: [5, 3]))
    let expected: [Float] = [
      1, 0, 0, 0.5,
      0, 1, 0, 1,
      0.6, 0.8, -.pi / 4, Float(50).squareRoot() / 50,
      1, 0, .pi / 2, 0.04,
      1, 0, 0, 0,
    ]
    expectClose(found.elements, expected, absolute: 1e-6)
  }

  @Test func manyPointsOnSeveralThreads() {
    var generator = Philox(seed: 5)
    let positions = Tensor<Float>.uniform([5_003, 3], from: -60, to: 60, using: &generator)
    let p = positions.elements.map(Double.init)
    let expected = (0..<5_003).flatMap { row -> [Float] in
      let (x, y, z) = (p[3 * row], p[3 * row + 1], p[3 * row + 2])
      let (theta, range) = (atan2(y, x), (x * x + y * y + z * z).squareRoot())
      return [cos(theta), sin(theta), asin(z / range), range / 50].map { Float($0) }
    }
    expectClose(
      SphericalFeatures.ofPoints(positions).elements,
      expected,
      absolute: 2e-6
    )
  }

  @Test func numbersOfADamagedFileDoNotStopAnything() {
    let places: [Float] = [.nan, 1, 1, .infinity, 0, 0, 3e38, 3e38, 3e38]
    let found = SphericalFeatures.ofPoints(Tensor(places, shape: [3, 3])).elements
    #expect(found[0].isNaN && found[7] == .infinity)
    let third: [Float] = [0.70710678, 0.70710678, 0.61547971, 6e36 * Float(3).squareRoot()]
    expectClose(Array(found[8...]), third, relative: 1e-6)
    #expect(SphericalFeatures.ofPoints(.zeros([0, 3])).shape == [0, 4])
  }

  @Test func voxelCentresAreInTheSensorsFrame() {
    // Voxel (0, −1, 2) of 0.5 m: centre (0.25, −0.25, 1.25); the grid of scan 1 lies 1.75 m higher.
    let coordinates = Tensor<Int32>([0, 0, -1, 2, 1, 0, -1, 2], shape: [2, 4])
    let shifts = Tensor<Float>([0, 0, 0, 0, 0, 1.75], shape: [2, 3])
    let centres = SphericalFeatures.voxelCentres(coordinates, voxelSize: 0.5, shifts: shifts)
    #expect(centres.elements == [0.25, -0.25, 1.25, 0.25, -0.25, -0.5])
    let plain = SphericalFeatures.voxelCentres(coordinates, voxelSize: 0.5)
    #expect(plain.elements == [0.25, -0.25, 1.25, 0.25, -0.25, 1.25])
    let three = SphericalFeatures.voxelCentres(
      Tensor<Int32>([0, -1, 2], shape: [1, 3]),
      voxelSize: 0.5
    )
    #expect(three.elements == [0.25, -0.25, 1.25])
  }

  @Test func aScanWithoutShiftIsNamed() async throws {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = SphericalFeatures.ofVoxels(
        Tensor<Int32>([2, 0, 0, 0], shape: [1, 4]),
        voxelSize: 0.5,
        shifts: .zeros([2, 3])
      )
    }
    let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
    #expect(text.contains("a voxel of scan 2, but 2 shifts"))
  }
}
