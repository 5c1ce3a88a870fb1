import Foundation
import GUIGrounding
import TestSupport
import Testing

@Suite struct RewardTests {
  private let view = ViewTransform(
    imageSize: PixelSize(width: 200, height: 100),
    view: PixelSize(width: 100, height: 100)
  )
  private let target = GroundingTarget(box: GroundingBox(x0: 20, y0: 10, x1: 60, y1: 30))

  private func sample(_ x: Double?, tokens: Int? = nil) -> GroundingSample {
    GroundingSample(
      text: "",
      point: x.map { GroundingPoint(x: $0, y: 20) },
      formatOK: false,
      reportedTokenCount: tokens
    )
  }

  /// σ is half a side, 20 and 10 pixels, and (30, 20) of the view is (60, 20) of the image.
  @Test func centerReward() throws {
    let reward = CenterReward()
    let center = try #require(reward.score(sample(20), target, view: view))
    let side = try #require(reward.score(sample(30), target, view: view))
    expectClose([center, side], [1, exp(-0.5)], absolute: 1e-12)
    #expect(reward.score(sample(nil), target, view: view) == 0)
    let point = GroundingTarget(point: GroundingPoint(x: 1, y: 1), radius: 3)
    #expect(reward.score(sample(1), point, view: view) == nil)
    let flat = GroundingTarget(box: GroundingBox(x0: 40, y0: 20, x1: 40, y1: 20))
    #expect(reward.score(sample(20), flat, view: view) == 1)
  }

  @Test func lengthPenalty() {
    let penalty = LengthPenalty(maximumLength: 100, softLength: 20)
    let scores = [80, 85, 100, 300].map { count in
      penalty.score(sample(1, tokens: count), target, view: view)
    }
    #expect(scores == [0, -0.25, -1, -1])
    #expect(penalty.score(sample(1), target, view: view) == nil)
    var cut = sample(1)
    cut.truncated = true
    #expect(penalty.score(cut, target, view: view) == -1)
  }

  @Test func termsThatCannotJudgeAreLeftOut() {
    let vague = GroundingTarget(point: GroundingPoint(x: 1, y: 1))
    let rewards = WeightedRewards.reguide()
    #expect(rewards.name == "hit + 0.1·format")
    var formatted = sample(20)
    formatted.formatOK = true
    let worth = rewards.breakdown(formatted, target, view: view)
    #expect(worth.total == 1.1 && worth.terms == [1, 1])
    let partial = rewards.breakdown(formatted, vague, view: view)
    #expect(partial.total == 0.1 && partial.terms == [nil, 1])
    let hit = WeightedRewards([WeightedRewards.Term(HitReward())])
    #expect(hit.score(formatted, vague, view: view) == nil)
  }
}
