import GUIGrounding
import Tensor
import TestSupport
import Testing

/// A policy that many tasks may share: noise from the seed of the request alone.
private struct SeededPolicy: GroundingPolicy, Sendable {
  let name = "seeded"
  var failing: Set<String> = []

  struct Failure: Error, CustomStringConvertible {
    var description: String { "the server is away" }
  }

  func viewSize(for image: PixelSize) -> PixelSize { image }

  nonisolated(nonsending) func sample(
    _ request: GroundingRequest,
    count: Int,
    options: GroundingSampling
  ) async throws -> [GroundingSample] {
    if failing.contains(request.instruction) { throw Failure() }
    var generator = Philox(seed: options.seed ?? 0)
    return (0..<count).map { _ in
      let (x, y) = (Double(generator.uniform()) * 64, Double(generator.uniform()) * 64)
      return GroundingSample(point: GroundingPoint(x: x, y: y))
    }
  }
}

@Suite struct GroundingEvaluatorTests {
  private let items = (0..<20).map { index in
    GroundingItem(
      id: "item \(index)",
      imagePath: "\(index / 4)",
      imageSize: PixelSize(width: 64, height: 64),
      instruction: "press \(index)",
      target: GroundingTarget(box: GroundingBox(x0: 8, y0: 8, x1: 56, y1: 56))
    )
  }

  private var search: SpatialSearch {
    var search = SpatialSearch.sampled
    search.sampling.seed = 11
    return search
  }

  private let picture = RGBImage(size: PixelSize(width: 64, height: 64), color: .white)

  @Test func orderAndConcurrencyDoNotMatter() async throws {
    let evaluator = GroundingEvaluator(search: search)
    let picture = picture
    var loads: [String] = []
    let plain = try await evaluator.run(
      SeededPolicy(),
      items: items,
      image: {
        loads.append($0.imagePath)
        return picture
      }
    )
    #expect(loads == ["0", "1", "2", "3", "4"])
    #expect(Set(plain.compactMap(\.point)).count == 20)
    let reversed = try await evaluator.run(
      SeededPolicy(),
      items: items.reversed(),
      image: { _ in picture }
    )
    #expect(reversed.reversed().map(\.point) == plain.map(\.point))
    var done: [Int] = []
    let parallel = try await evaluator.run(
      SeededPolicy(),
      items: items,
      concurrency: 3,
      image: { _ in picture },
      progress: { done.append($0.doneCount) }
    )
    #expect(done == Array(1...20))
    #expect(parallel.map(\.id) == plain.map(\.id) && parallel.map(\.point) == plain.map(\.point))
  }

  @Test func failuresStopOrAreNoted() async throws {
    let policy = SeededPolicy(failing: ["press 3", "press 9"])
    let picture = picture
    var evaluator = GroundingEvaluator(search: search)
    await #expect(throws: SeededPolicy.Failure.self) {
      try await evaluator.run(policy, items: items, image: { _ in picture })
    }
    evaluator.failureRule = .record
    let outcomes = try await evaluator.run(policy, items: items, image: { _ in picture })
    let metrics = GroundingMetrics(outcomes)
    #expect(metrics.failureCount == 2 && metrics.overall.all.count == 20)
    #expect(outcomes[3].failure == "the server is away" && !outcomes[3].isHit)
    #expect(metrics.wrongFormatCount == 0)
  }

  /// A picture that cannot be read is a failure like the policy's.
  @Test func picturesThatCannotBeReadAreFailures() async throws {
    let picture = picture
    let broken = items[4].id
    @Sendable func image(_ item: GroundingItem) throws -> RGBImage {
      if item.id == broken { throw GroundingDataError.image(path: "a.png", reason: "torn") }
      return picture
    }
    var evaluator = GroundingEvaluator(search: search)
    await #expect(throws: GroundingDataError.self) {
      try await evaluator.run(SeededPolicy(), items: items, image: image)
    }
    evaluator.failureRule = .record
    let one = try await evaluator.run(SeededPolicy(), items: items, image: image)
    let several = try await evaluator.run(
      SeededPolicy(),
      items: items,
      concurrency: 3,
      image: image
    )
    #expect(one.count { $0.failure != nil } == 1 && one[4].failure?.contains("torn") == true)
    #expect(several.map(\.failure) == one.map(\.failure))
  }

  @Test func outcomesSurviveTheirFile() async throws {
    let evaluator = GroundingEvaluator(search: search)
    let picture = picture
    let outcomes = try await evaluator.run(SeededPolicy(), items: items, image: { _ in picture })
    #expect(try roundTrip(outcomes) == outcomes)
    #expect(try roundTrip(GroundingMetrics(outcomes)) == GroundingMetrics(outcomes))
  }
}
