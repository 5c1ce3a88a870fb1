import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct AxisReductionTests {
  /// Shapes with the axes to reduce.
  static let cases: [(Shape, [Int])] = [
    ([], []), ([5], []), ([5], [0]), ([2, 3], [0]), ([2, 3], [1]), ([2, 3], [-1, 0]),
    ([4, 5, 6], [1]), ([4, 5, 6], [0, 2]), ([4, 5, 6], [2, 1]), ([3, 1, 4, 1, 5], [1, 3]),
    ([2, 3, 4, 5, 6, 2], [0, 2, 4]), ([2, 3, 2, 3, 2, 3], [1, 3, 5]), ([17, 129], [0]),
    ([17, 129], [1]), ([3, 700, 65], [1]), ([600, 513], [0]), ([2, 300_001], [1]),
    ([70_000, 4], [0]), ([2, 40_000, 3], [1]), ([0, 3], [0]), ([0, 3], [1]), ([3, 0], [0]),
  ]

  private func sample(_ shape: Shape) -> Tensor<Float> {
    var generator = Philox(seed: UInt64(shape.count))
    return .uniform(shape, from: -1, to: 2, using: &generator)
  }

  /// The elements that each element of the result joins, found from their indices.
  private func groups(_ x: Tensor<Float>, _ axes: [Int]) -> [[Double]] {
    let rank = x.rank
    let reduced = Set(axes.isEmpty ? Array(0..<rank) : axes.map { $0 < 0 ? $0 + rank : $0 })
    let extents = x.shape.extents
    let count = (0..<rank).filter { !reduced.contains($0) }.reduce(1) { $0 * extents[$1] }
    var groups = [[Double]](repeating: [], count: count)
    for (position, value) in x.elements.enumerated() {
      var (rest, place, step) = (position, 0, 1)
      for axis in (0..<rank).reversed() {
        let index = rest % extents[axis]
        rest /= extents[axis]
        guard !reduced.contains(axis) else { continue }
        place += index * step
        step *= extents[axis]
      }
      groups[place].append(Double(value))
    }
    return groups
  }

  @Test(arguments: cases)
  func sumsMeansAndVariances(shape: Shape, axes: [Int]) {
    let x = sample(shape)
    let groups = groups(x, axes)
    let sums = groups.map { $0.reduce(0, +) }
    let scale = groups.map { $0.reduce(1e-6) { $0 + abs($1) } }.max() ?? 0
    expectClose(x.sum(axes: axes).elements.map(Double.init), sums, absolute: 2e-7 * scale)
    expectClose(
      x.mean(axes: axes).elements.map(Double.init),
      zip(sums, groups).map { $0 / Double($1.count) },
      absolute: 1e-6
    )
    for correction in [0, 1] where groups.allSatisfy({ $0.count > correction }) {
      let expected = groups.map { group -> Double in
        let mean = group.reduce(0, +) / Double(group.count)
        let squares = group.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return squares / Double(group.count - correction)
      }
      let found = x.variance(axes: axes, correction: correction)
      expectClose(found.elements.map(Double.init), expected, relative: 1e-5, absolute: 1e-6)
    }
  }

  @Test(arguments: cases)
  func extremesAndLogSumExp(shape: Shape, axes: [Int]) {
    let x = sample(shape)
    let groups = groups(x, axes)
    let sums = groups.map { log($0.reduce(0) { $0 + exp($1) }) }
    expectClose(
      x.logSumExp(axes: axes).elements.map(Double.init),
      sums,
      relative: 1e-6,
      absolute: 1e-6
    )
    guard groups.allSatisfy({ !$0.isEmpty }) else { return }
    #expect(x.max(axes: axes).elements.map(Double.init) == groups.map { $0.max() ?? 0 })
    #expect(x.min(axes: axes).elements.map(Double.init) == groups.map { $0.min() ?? 0 })
  }

  @Test(arguments: cases)
  func keptDimensionsHaveExtentOne(shape: Shape, axes: [Int]) {
    let x = sample(shape)
    let kept = x.sum(axes: axes, keepingDimensions: true)
    #expect(kept.rank == shape.rank)
    #expect(kept.elements == x.sum(axes: axes).elements)
    let reduced = Set(axes.map { $0 < 0 ? $0 + shape.rank : $0 })
    for axis in 0..<shape.rank {
      let isReduced = axes.isEmpty || reduced.contains(axis)
      #expect(kept.shape[axis] == (isReduced ? 1 : shape[axis]))
    }
  }

  @Test func productsOfFewNumbers() {
    let x = Tensor<Float>([1, 2, 3, -4, 5, 0.5], shape: [2, 3])
    #expect(x.product(axes: 0).elements == [-4, 10, 1.5])
    #expect(x.product(axes: 1).elements == [6, -10])
    #expect(x.product() == -60)
    #expect(Tensor<Float>.zeros([0]).product() == 1)
  }

  @Test func otherNumbers() {
    let x = Tensor<Int32>([1, -2, 3, 4, 5, -6], shape: [2, 3])
    #expect(x.sum() == 5 && x.max() == 5 && x.min() == -6)
    #expect(x.sum(axes: 0).elements == [5, 3, -3])
    #expect(x.max(axes: 1).elements == [3, 5])
    let y = Tensor<Double>([1, 2, 3, 4], shape: [2, 2])
    #expect(y.mean() == 2.5)
    #expect(y.variance(axes: 0).elements == [1, 1])
    #expect(y.standardDeviation(axes: 1).elements == [0.5, 0.5])
    #expect(Tensor<Int64>([.max, 1]).sum() == .min)
  }

  @Test(arguments: [1, 3, 16, 17, 700])
  func nanIsNeverLost(width: Int) {
    for position in [0, width / 2, width - 1] {
      var x = Tensor<Float>.ones([width, 2])
      x.withUnsafeMutableElements { $0[2 * position] = .nan }
      for reduced in [x.max(axes: 0), x.min(axes: 0), x.sum(axes: 0), x.variance(axes: 0)] {
        #expect(reduced.elements.map(\.isNaN) == [true, false])
      }
      let row = Tensor(x.elements.enumerated().filter { $0.offset % 2 == 0 }.map(\.element))
      #expect(row.max().isNaN && row.min().isNaN)
      #expect(row.argMax().item == Int32(position) && row.argMin().item == Int32(position))
      #expect(x.argMax(axis: 0).elements == [Int32(position), 0])
    }
  }

  @Test(arguments: [[7], [2, 5], [3, 40, 5], [2, 3, 600], [4, 1, 1]] as [Shape])
  func positionsOfExtremes(shape: Shape) {
    let x = sample(shape)
    for axis in 0..<shape.rank {
      let groups = groups(x, [axis])
      let largest = groups.map { $0.firstIndex(of: $0.max() ?? 0) ?? -1 }
      let smallest = groups.map { $0.firstIndex(of: $0.min() ?? 0) ?? -1 }
      #expect(x.argMax(axis: axis).elements.map(Int.init) == largest)
      #expect(x.argMin(axis: axis).elements.map(Int.init) == smallest)
    }
  }

  @Test func logSumExpOfInfinities() {
    let x = Tensor<Float>([-.infinity, -.infinity, .infinity, 1], shape: [2, 2])
    #expect(x.logSumExp(axes: 1).elements == [-.infinity, .infinity])
    #expect(
      Tensor<Float>([-.infinity, -.infinity], shape: [2, 1]).logSumExp(axes: 0).item == -.infinity
    )
    #expect(Tensor<Float>([.infinity, 1], shape: [2, 1]).logSumExp(axes: 0).item == .infinity)
  }

  @Test func anAxisThatIsNamedTwiceStops() async throws {
    let result = try #require(
      await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
        _ = Tensor<Float>.zeros([2, 3]).sum(axes: 1, -1)
      }
    )
    let text = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(text.contains("sum: axis -1 is named twice for [2×3]"))
  }
}
