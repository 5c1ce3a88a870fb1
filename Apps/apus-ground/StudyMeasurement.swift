import Foundation
import GUIGrounding
import Support
import Tensor

/// What a policy did on one page: a line of `items.jsonl`.
struct StudyLine: Codable {
  /// The number of the page.
  var page: Int
  var greedy: Bool
  var twoCalls: Bool
  /// The share of the first vote's responses that hit.
  var sampled: Double
  /// The share of these of the right form.
  var form: Double
  /// One stage.
  var vote: Bool
  var voteMean: Bool
  var voteMedian: Bool
  /// Two stages.
  var full: Bool
  /// Measured for the last policy only.
  var fullMean: Bool?
  var fullMedian: Bool?
  /// Whether the crop of the full search shows the target.
  var cropHolds: Bool
  var fullCalls: Int
  /// Processor time; of greedy answers and votes alone on the first pages only.
  var greedySeconds: Double?
  var voteSeconds: Double?
  var twoCallSeconds: Double
  var fullSeconds: Double
}

/// Measures a policy on the pages of a study; goes on where it was.
struct StudyMeasurement {
  let plan: StudyPlan
  /// What is measured on.
  let test: GroundingExamples
  let seed: UInt64
  /// Whether votes of two stages are aggregated by mean and median too.
  let comparesAggregations: Bool

  private func search(_ base: SpatialSearch, _ page: Int) -> SpatialSearch {
    var search = base
    // The crop of a policy that sees 64 pixels must not be bound by what vision models need.
    search.minimumCropSide = 64
    if search.samplesPerStage > 1 { search.samplesPerStage = plan.samples }
    var generator = Philox(seed: seed).fork(page)
    search.sampling.seed = generator.next() >> 33
    return search
  }

  /// The lines of all pages.
  func lines(
    of policy: NativeGroundingPolicy,
    in folder: String,
    progress: (Int) -> Void
  ) async throws -> [StudyLine] {
    let journal = try LineJournal<StudyLine>(at: folder + "/items.jsonl")
    let done = Set(journal.lines.map(\.page))
    for page in 0..<plan.testPages where !done.contains(page) {
      try Cancellation.check("run the same command to go on")
      try journal.append(try await line(policy, page))
      progress(journal.lines.count)
    }
    return journal.lines.sorted { $0.page < $1.page }
  }

  private func line(_ policy: NativeGroundingPolicy, _ number: Int) async throws -> StudyLine {
    let page = try test.example(number)
    let target = page.target
    func run(_ base: SpatialSearch) async throws -> (result: SearchResult, seconds: Double) {
      let start = processSeconds()
      let search = search(base, number)
      let result = try await search.run(
        policy,
        image: page.image,
        instruction: page.instruction
      )
      return (result, processSeconds() - start)
    }
    func isHit(_ point: GroundingPoint?) -> Bool { point.map(target.contains) ?? false }
    let two = try await run(.twoCalls)
    let full = try await run(SpatialSearch())
    let first = full.result.stages[0]
    let shares = Self.shares(first, full.result.imageSize, target)
    var line = StudyLine(
      page: number,
      greedy: isHit(two.result.stages[0].point),
      twoCalls: isHit(two.result.point),
      sampled: shares.hits,
      form: shares.form,
      vote: isHit(first.point),
      voteMean: isHit(Self.aggregate(first, .mean)),
      voteMedian: isHit(Self.aggregate(first, .median)),
      full: isHit(full.result.point),
      cropHolds: full.result.stages.count > 1
        && target.center.map(GroundingBox(full.result.stages[1].region).contains) ?? false,
      fullCalls: full.result.cost.calls,
      twoCallSeconds: two.seconds,
      fullSeconds: full.seconds
    )
    if comparesAggregations {
      var other = SpatialSearch()
      other.aggregation = .mean
      line.fullMean = isHit(try await run(other).result.point)
      other.aggregation = .median
      line.fullMedian = isHit(try await run(other).result.point)
    }
    if number < plan.timedPages {
      line.greedySeconds = try await run(.greedy).seconds
      line.voteSeconds = try await run(.vote).seconds
    }
    return line
  }

  /// The shares of a stage's responses that hit, and that have the right form.
  private static func shares(
    _ stage: SearchStage,
    _ image: PixelSize,
    _ target: GroundingTarget
  ) -> (hits: Double, form: Double) {
    let view = ViewTransform(imageSize: image, crop: stage.region, view: stage.view)
    let count = Double(max(stage.samples.count, 1))
    let hits = stage.samples.count { sample in
      sample.point.map { target.contains(view.toImage($0)) } ?? false
    }
    return (Double(hits) / count, Double(stage.samples.count { $0.formatOK }) / count)
  }

  /// Another answer from the same votes.
  private static func aggregate(
    _ stage: SearchStage,
    _ aggregation: VoteAggregation
  ) -> GroundingPoint? {
    guard let kernel = stage.kernel, !stage.votes.isEmpty else { return nil }
    return aggregation(
      KernelDensity(
        points: stage.votes.map(\.point),
        weights: stage.votes.map(\.weight),
        kernel: kernel
      )
    )
  }
}
