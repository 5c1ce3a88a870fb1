import Foundation
import GUIGrounding
import Tensor
import TestSupport
import Testing

@Suite struct SpatialSearchTests {
  private let image = RGBImage(size: PixelSize(width: 400, height: 300), color: .white)

  private func run(_ search: SpatialSearch, _ policy: ClosurePolicy) async throws -> SearchResult {
    try await search.run(policy, image: image, instruction: "press it")
  }

  @Test func everyStageIsAccountedFor() async throws {
    var search = SpatialSearch()
    search.samplesPerStage = 5
    search.minimumCropSide = 100
    let votes: [GroundingPoint?] = [
      GroundingPoint(x: 100, y: 100), GroundingPoint(x: 102, y: 102), nil,
      GroundingPoint(x: 404, y: 100), GroundingPoint(x: 500, y: 100),
    ]
    let policy = ClosurePolicy(points: votes)
    let result = try await run(search, policy)
    #expect(result.stages.count == 2 && !result.stoppedEarly)
    let first = result.stages[0]
    #expect(first.region == PixelRect(x: 0, y: 0, width: 400, height: 300))
    #expect(first.unparsedCount == 1 && first.outsideCount == 1 && first.samples.count == 5)
    // A point 4 pixels outside is within 2 % of 400, and moved to the border.
    #expect(first.votes.map(\.point.x) == [100, 102, 400])
    #expect(first.votes.map(\.sample) == [0, 1, 3])
    expectClose(first.votes.map(\.weight), [1 / 3, 1 / 3, 1 / 3], absolute: 1e-12)
    expectClose([first.bandwidth, first.consensus], [16, 2 / 3], absolute: 1e-9)
    expectClose(first.point, GroundingPoint(x: 101, y: 101), absolute: 1e-2)
    let crop = result.stages[1].region
    #expect(crop == PixelRect(x: 1, y: 26, width: 200, height: 150))
    #expect(policy.views == [image.size, crop.size])
    #expect(result.cost.calls == 10 && result.cost.requests == 2 && result.cost.tokens == 40)
    #expect(result.cost.seconds > 0)
    #expect(result.point == result.stages[1].point)
  }

  @Test func aStageWithoutVotesKeepsTheAnswerBefore() async throws {
    let vote = GroundingPoint(x: 200, y: 150)
    let policy = ClosurePolicy { _, number in
      (0..<16).map { _ in GroundingSample(point: number == 0 ? vote : nil) }
    }
    let result = try await run(SpatialSearch(), policy)
    #expect(result.stages.count == 2 && result.stages[1].votes.isEmpty)
    expectClose(result.point, vote)
    #expect(!result.isWrongFormat)
    let silent = try await run(SpatialSearch(), ClosurePolicy(points: [nil]))
    #expect(silent.isWrongFormat && silent.stages.count == 1)
  }

  @Test func serversThatGiveLessAreAskedAgain() async throws {
    var search = SpatialSearch.vote
    search.sampling.seed = 7
    let policy = ClosurePolicy { _, _ in
      (0..<3).map { _ in GroundingSample(point: GroundingPoint(x: 9, y: 9)) }
    }
    let result = try await run(search, policy)
    #expect(result.cost.calls == 16 && result.cost.requests == 6)
    #expect(policy.seeds.first == 7 && Set(policy.seeds).count == 6)
    search.maximumRequests = 2
    let short = try await run(search, ClosurePolicy { _, _ in [GroundingSample(point: nil)] })
    #expect(short.cost.calls == 2)
    await #expect(throws: SearchError.noSamples(policy: "closure", requests: 2)) {
      try await run(search, ClosurePolicy { _, _ in [] })
    }
  }

  @Test func stagesDrawFromSeedsOfTheirOwn() async throws {
    var search = SpatialSearch()
    search.sampling.seed = 5
    let policy = ClosurePolicy(points: [GroundingPoint(x: 9, y: 9)])
    _ = try await run(search, policy)
    #expect(policy.seeds.count == 2 && Set(policy.seeds).count == 2)
    let again = ClosurePolicy(points: [GroundingPoint(x: 9, y: 9)])
    _ = try await run(search, again)
    #expect(policy.seeds == again.seeds)
    search.sampling.seed = nil
    let free = ClosurePolicy(points: [GroundingPoint(x: 9, y: 9)])
    _ = try await run(search, free)
    #expect(free.seeds == [nil, nil])
  }

  @Test func agreementOverALargeElementEndsTheSearch() async throws {
    var search = SpatialSearch()
    search.minimumCropSide = 100
    search.gate = ConsensusGate()
    // All within h = 16 pixels of the middle, 16 pixels apart: more than a tenth of 100.
    let large = ClosurePolicy(
      points: [192, 200, 208].map { GroundingPoint(x: $0, y: 150) }
    )
    let stopped = try await run(search, large)
    #expect(stopped.stoppedEarly && stopped.stages.count == 1 && stopped.cost.calls == 16)
    let small = ClosurePolicy(points: [199, 200, 201].map { GroundingPoint(x: $0, y: 150) })
    #expect(try await run(search, small).stages.count == 2)
    let split = ClosurePolicy(points: [20, 28, 300, 308].map { GroundingPoint(x: $0, y: 150) })
    #expect(try await run(search, split).stages.count == 2)
    search.gate = ConsensusGate(share: 0.75, minimumExtent: 17)
    #expect(try await run(search, large).stages.count == 2)
  }

  @Test func earlierVotesMayCountAgain() async throws {
    var search = SpatialSearch()
    search.samplesPerStage = 4
    search.stages = 3
    search.minimumCropSide = 50
    search.includesEarlierVotes = true
    let result = try await run(search, ClosurePolicy(points: [GroundingPoint(x: 20, y: 20)]))
    #expect(result.stages.map(\.votes.count) == [4, 8, 12])
    #expect(result.stages[2].votes.map(\.stage) == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
    let crops = result.stages.map(\.region.size)
    #expect(crops[1] == PixelSize(width: 200, height: 150))
    #expect(crops[2] == PixelSize(width: 100, height: 75))
  }

  @Test func likelyAnswersWeighMore() async throws {
    var search = SpatialSearch.vote
    search.samplesPerStage = 3
    search.weighting = .sequenceLogProbability(temperature: 1)
    let policy = ClosurePolicy { _, _ in
      [(30.0, Float(-9)), (32, -9), (300, -1)].map { x, log in
        GroundingSample(point: GroundingPoint(x: x, y: 9), logProbability: log)
      }
    }
    let result = try await run(search, policy)
    expectClose(result.point, GroundingPoint(x: 300, y: 9), absolute: 1e-2)
    let (small, sum) = (exp(-8.0), 1 + 2 * exp(-8.0))
    let weights = result.stages[0].votes.map(\.weight)
    expectClose(weights, [small / sum, small / sum, 1 / sum], absolute: 1e-12)
    search.weighting = .uniform
    #expect(try #require(await run(search, policy).point).x < 40)
  }

  @Test func cropsFollowTheirRule() async throws {
    var search = SpatialSearch.twoCalls
    search.minimumCropSide = 0
    search.crop = .fixed(PixelSize(width: 64, height: 900))
    let policy = ClosurePolicy(points: [GroundingPoint(x: 399, y: 9)])
    let result = try await run(search, policy)
    #expect(result.stages[1].region == PixelRect(x: 336, y: 0, width: 64, height: 300))
    #expect(result.cost.calls == 2)
    // The default never shows less than eight patches.
    let usual = try await run(.twoCalls, ClosurePolicy(points: [GroundingPoint(x: 9, y: 9)]))
    #expect(usual.stages[1].region.size == PixelSize(width: 224, height: 224))
  }

  @Test func impossibleSettingsAreNamed() async {
    func failure(_ change: (inout SpatialSearch) -> Void) async -> String {
      var search = SpatialSearch()
      change(&search)
      do {
        _ = try await run(search, ClosurePolicy(points: [nil]))
        return ""
      } catch { return "\(error)" }
    }
    #expect(await failure { $0.stages = 0 } == "search: stages is 0, at least 1 is needed")
    #expect(await failure { $0.bandwidth = .pixels(0) }.contains("bandwidth"))
    #expect(await failure { $0.crop = .fraction(1.5) }.contains("crop"))
    #expect(await failure { $0.samplesPerStage = 0 }.contains("0 answers"))
    #expect(await failure { $0.sampling = .greedy }.contains("are all the same"))
    #expect(await failure { $0.sampling.topP = 0 }.contains("top-p"))
    #expect(await failure { $0.sampling.temperature = .nan }.contains("temperature"))
  }

  @Test func pointsThatAreNoNumbersAreNoVotes() async throws {
    let odd = [Double.nan, .infinity, 1e300, -1e300].map { GroundingPoint(x: $0, y: 5) }
    let result = try await run(.vote, ClosurePolicy(points: odd))
    #expect(result.isWrongFormat)
    #expect(result.stages[0].unparsedCount == 8 && result.stages[0].outsideCount == 8)
  }

  @Test func resultsSurviveTheirFile() async throws {
    let policy = ClosurePolicy(points: [GroundingPoint(x: 9, y: 9), nil])
    let result = try await run(SpatialSearch(), policy)
    #expect(try roundTrip(result) == result)
    var search = SpatialSearch.twoCalls
    search.bandwidth = .covariance(factor: 2)
    search.crop = .fixed(PixelSize(width: 3, height: 4))
    search.weighting = .sequenceLogProbability(temperature: 2)
    search.gate = ConsensusGate()
    #expect(try roundTrip(search) == search)
  }

  @Test func presetsCostWhatTheySay() async throws {
    let screenshot = RGBImage(size: PixelSize(width: 64, height: 48), color: .white)
    let presets: [(SpatialSearch, Int)] = [
      (.greedy, 1), (.vote, 16), (.twoCalls, 2), (SpatialSearch(), 32),
    ]
    for (search, calls) in presets {
      let policy = ClosurePolicy(points: [GroundingPoint(x: 9, y: 9)])
      let result = try await search.run(policy, image: screenshot, instruction: "open mail")
      #expect(result.cost.calls == calls)
    }
  }
}
