import Foundation
import GUIGrounding
import Tensor
import TestSupport
import Testing

@Suite struct KernelDensityTests {
  private func points(_ count: Int, _ generator: inout Philox) -> [GroundingPoint] {
    (0..<count).map { _ in
      GroundingPoint(
        x: Double(generator.uniform()) * 1000,
        y: Double(generator.uniform()) * 700
      )
    }
  }

  @Test func oneVoteIsTheAnswer() {
    let vote = GroundingPoint(x: 123.25, y: -4.5)
    for bandwidth in [VoteBandwidth.pixels(3), .relative(0.04), .scott, .silverman] {
      for count in [1, 2, 7] {
        let votes = [GroundingPoint](repeating: vote, count: count)
        let density = KernelDensity(points: votes, bandwidth: bandwidth, side: 1000)
        for aggregation in VoteAggregation.allCases {
          expectClose(aggregation(density), vote, absolute: 1e-9, "\(bandwidth) \(aggregation)")
        }
      }
    }
  }

  @Test func aMirroredSetHasTheMirroredMode() {
    var generator = Philox(seed: 5)
    for _ in 0..<100 {
      let votes = points(12, &generator)
      let mirrored = votes.map { GroundingPoint(x: 1000 - $0.x, y: $0.y) }
      let mode = KernelDensity(points: votes, bandwidth: .pixels(60), side: 1000).mode
      let other = KernelDensity(points: mirrored, bandwidth: .pixels(60), side: 1000).mode
      expectClose(other, GroundingPoint(x: 1000 - mode.x, y: mode.y), absolute: 1e-6)
    }
  }

  @Test func aWideKernelGivesTheMean() {
    var generator = Philox(seed: 6)
    let votes = points(20, &generator)
    let density = KernelDensity(points: votes, bandwidth: .pixels(1e5), side: 1000)
    expectClose(density.mode, VoteAggregation.mean(density), absolute: 0.1)
  }

  @Test func onlyRatiosOfWeightsMatter() {
    var generator = Philox(seed: 7)
    let votes = points(15, &generator)
    let weights = votes.map { _ in Double(generator.uniform()) }
    let mode = KernelDensity(points: votes, weights: weights, bandwidth: .scott, side: 1000).mode
    for factor in [1e-300, 7, 1e300] {
      let scaled = weights.map { $0 * factor }
      let density = KernelDensity(points: votes, weights: scaled, bandwidth: .scott, side: 1000)
      expectClose(density.mode, mode, absolute: 1e-6)
    }
    // A weight of zero is as good as no vote.
    let far = GroundingPoint(x: 5000, y: 5000)
    let more = KernelDensity(
      points: votes + [far],
      weights: weights + [0],
      bandwidth: .pixels(20),
      side: 1000
    )
    let less = KernelDensity(points: votes, weights: weights, bandwidth: .pixels(20), side: 1000)
    expectClose(more.mode, less.mode, absolute: 1e-9)
  }

  @Test func modesStayAmongTheVotes() {
    var generator = Philox(seed: 8)
    for trial in 0..<10_000 {
      let votes = points(2 + trial % 4, &generator)
      let width = pow(10, Double(generator.uniform()) * 5 - 1)
      let bandwidth: VoteBandwidth = trial % 3 == 0 ? .scott : .pixels(width)
      let mode = KernelDensity(points: votes, bandwidth: bandwidth, side: 1000).mode
      guard let box = GroundingBox(around: votes) else { continue }
      let isInside =
        mode.x >= box.x0 - 1e-9 && mode.x <= box.x1 + 1e-9 && mode.y >= box.y0 - 1e-9
        && mode.y <= box.y1 + 1e-9
      if !isInside { Issue.record("\(mode) of \(votes) with \(bandwidth)") }
    }
  }

  /// Three votes against two: the mean lies between, where nobody voted.
  @Test func twoClustersHaveNoUsefulMean() {
    let votes = [(10, 10), (12, 10), (11, 12), (90, 10), (92, 11)].map { x, y in
      GroundingPoint(x: x, y: y)
    }
    let density = KernelDensity(points: votes, bandwidth: .pixels(4), side: 100)
    #expect(density.mode.distance(to: GroundingPoint(x: 11, y: 10.67)) < 1)
    #expect(VoteAggregation.mean(density).x > 40)
    #expect(VoteAggregation.median(density) == GroundingPoint(x: 12, y: 10))
    #expect(VoteAggregation.firstSample(density) == votes[0])
  }

  /// A weight of 3 is the same as three votes.
  @Test func weightedMedians() {
    let votes = [1.0, 5, 9].map { GroundingPoint(x: $0, y: 10 - $0) }
    func median(_ weights: [Double]) -> GroundingPoint {
      VoteAggregation.median(
        KernelDensity(points: votes, weights: weights, bandwidth: .pixels(1), side: 10)
      )
    }
    #expect(median([1, 1, 1]) == GroundingPoint(x: 5, y: 5))
    #expect(median([3, 1, 1]) == GroundingPoint(x: 1, y: 9))
    #expect(median([2, 1, 1]) == GroundingPoint(x: 3, y: 7))
  }
}
