import Foundation
import PointCloud
import Tensor
import TestSupport
import Testing

@Suite struct DensityRangeTests {
  /// Eleven values of which order statistics fall on the percentiles, and of which they do not.
  @Test func percentilesLieBetweenOrderStatistics() throws {
    let values = (0..<11).map { Float($0 * $0) }
    let range = try #require(DensityRange(of: channels(values)))
    // p10 = 1, p90 = 81
    #expect(range.middle == [41, 41, 41, 41] && range.spread == [40, 40, 40, 40])
    let few = try #require(DensityRange(of: channels([4, 0, 10])))
    // p10 = 0 + 0.2 · 4, p90 = 4 + 0.8 · 6
    expectClose(few.middle, Array(repeating: 4.8, count: 4), relative: 1e-6)
    expectClose(few.spread, Array(repeating: 4, count: 4), relative: 1e-6)
  }

  private func channels(_ values: [Float]) -> Tensor<Float> {
    Tensor(values.flatMap { Array(repeating: $0, count: 4) }, shape: [values.count, 4])
  }

  @Test func valuesThatAreNoneDoNotCount() throws {
    let range = try #require(DensityRange(of: channels([.nan, 4, 0, .infinity, 10])))
    expectClose(range.middle, Array(repeating: 4.8, count: 4), relative: 1e-6)
    #expect(DensityRange(of: channels([.nan])) == nil)
    #expect(DensityRange(of: Tensor<Float>.zeros([0, 4])) == nil)
  }

  @Test func equalValuesLeaveAWidth() throws {
    let range = try #require(DensityRange(of: channels([0.02, 0.02])))
    #expect(range.spread == [1e-6, 1e-6, 1e-6, 1e-6])
    #expect(range.normalized(channels([0.02, 5])).isFinite().all())
  }

  @Test func clippingIsATangent() {
    let range = DensityRange(middle: [1, 2, 3, 4], spread: [0.5, 1, 2, 4])
    let density = Tensor<Float>([1.5, 2, 9, 0], shape: [1, 4])
    let (one, three) = (Float(tanh(1.0)), Float(tanh(3.0)))
    expectClose(range.normalized(density).elements, [one, 0, three, -one], relative: 1e-6)
    expectClose(range.normalized(density, clipping: .none).elements, [1, 0, 3, -1])
    expectClose(
      range.clipped(density).elements,
      [1 + 0.5 * one, 2, 3 + 2 * three, 4 - 4 * one],
      relative: 1e-6
    )
    #expect(range.bounds(channel: 1) == 1...3)
  }

  /// In the middle of the range densities stay nearly what they are, far away they reach its ends.
  @Test func clippedDensitiesStayInTheRange() {
    let range = DensityRange(middle: [0.04, 0.04, 0.04, 0.04], spread: [0.02, 0.02, 0.02, 0.02])
    var generator = Philox(seed: 1)
    let density = Tensor<Float>.uniform([1000, 4], from: 0, to: 1, using: &generator)
    let clipped = range.clipped(density)
    #expect(clipped.min() >= 0.0199 && clipped.max() <= 0.0601)
    let middle = channels([0.0401, 0.0399])
    expectClose(range.clipped(middle), middle, relative: 1e-4)
  }

  @Test func trainingScansAreSampled() throws {
    var generator = Philox(seed: 7)
    var asked: [Int] = []
    let range = try #require(
      DensityRange(
        ofTraining: 30,
        sample: DensityRange.Sample(scanCount: 12, pointCount: 100),
        using: &generator
      ) { scan in
        asked.append(scan)
        return Tensor(repeating: Float(scan), shape: [scan % 5 == 0 ? 40 : 400, 4])
      }
    )
    #expect(asked.count == 12 && Set(asked).count == 12)
    let points = asked.flatMap { Array(repeating: Float($0), count: $0 % 5 == 0 ? 40 : 100) }
    #expect(range == DensityRange(of: channels(points)))
  }

  /// What is drawn of a scan depends on the seed and the scan alone, not on the other scans.
  @Test func samplesRepeat() {
    var source = Philox(seed: 3)
    let scans = (0..<5).map { scan in
      Tensor<Float>.uniform([3000 + 10 * scan, 4], from: 0, to: 1, using: &source)
    }
    func range(_ seed: UInt64) -> DensityRange? {
      var generator = Philox(seed: seed)
      return DensityRange(ofTraining: 5, using: &generator) { scans[$0] }
    }
    #expect(range(4) == range(4) && range(4) != range(5))
    var generator = Philox(seed: 1)
    #expect(DensityRange(ofTraining: 0, using: &generator) { scans[$0] } == nil)
    let empty = Tensor<Float>.zeros([0, 4])
    #expect(DensityRange(ofTraining: 3, using: &generator) { _ in empty } == nil)
  }

  @Test func rangesAreCodable() throws {
    let range = DensityRange(middle: [1, 2, 3, 4], spread: [0.5, 1, 2, 0])
    let data = try JSONEncoder().encode(range)
    #expect(try JSONDecoder().decode(DensityRange.self, from: data) == range)
    #expect(range.spread[3] == 1e-6)
    let short = "{\"middle\": [1, 2], \"spread\": [1, 2]}"
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(DensityRange.self, from: Data(short.utf8))
    }
  }
}
