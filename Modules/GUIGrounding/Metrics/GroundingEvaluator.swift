import Tensor

/// What happens to an item whose image cannot be loaded, or on which the policy throws.
public enum EvaluationFailureRule: String, Codable, Sendable {
  /// The evaluation ends with the error.
  case stop
  /// The item counts as wrong, its outcome says why.
  case record
}

/// Runs a search over items and notes what came of each.
///
///     let evaluator = GroundingEvaluator(search: .greedy)
///     let outcomes = try await evaluator.run(policy, items: data.items, image: data.image) { _ in }
///     print(GroundingMetrics(outcomes).markdown)
///
/// Every item has random numbers of its own, from the search's seed and the item's name: a part of
/// the items, or another order, gives the same answers.
public struct GroundingEvaluator: Hashable, Codable, Sendable {
  /// How each item is answered.
  public var search: SpatialSearch
  /// What happens where an image cannot be loaded, or the policy throws.
  public var failureRule: EvaluationFailureRule

  /// An item that is done.
  public struct Progress: Sendable {
    /// The item.
    public let item: GroundingItem
    /// Its search; nil where the policy failed.
    public let result: SearchResult?
    /// What came of it.
    public let outcome: GroundingOutcome
    /// Items done, this one included.
    public let doneCount: Int
    /// All items.
    public let itemCount: Int
  }

  /// An evaluator.
  public init(search: SpatialSearch, failureRule: EvaluationFailureRule = .stop) {
    (self.search, self.failureRule) = (search, failureRule)
  }

  /// Evaluates items one after the other.
  ///
  /// - Parameters:
  ///   - policy: what answers.
  ///   - items: in pixels; neighbours with the same image have it loaded once.
  ///   - image: loads an item's image.
  ///   - progress: called after each item.
  /// - Returns: one outcome for each item, in order.
  /// - Throws: what loading and the policy throw, `SearchError`, `CancellationError`.
  public nonisolated(nonsending) func run(
    _ policy: some GroundingPolicy,
    items: [GroundingItem],
    image: (GroundingItem) throws -> RGBImage,
    progress: (Progress) throws -> Void = { _ in }
  ) async throws -> [GroundingOutcome] {
    try search.check()
    var outcomes: [GroundingOutcome] = []
    var loaded: (path: String, image: RGBImage)?
    for item in items {
      try Task.checkCancellation()
      let done = try await answer(policy, item) {
        if let loaded, loaded.path == item.imagePath { return loaded.image }
        let picture = try image(item)
        loaded = (item.imagePath, picture)
        return picture
      }
      outcomes.append(done.outcome)
      try progress(
        Progress(
          item: item,
          result: done.result,
          outcome: done.outcome,
          doneCount: outcomes.count,
          itemCount: items.count
        )
      )
    }
    return outcomes
  }

  /// Evaluates several items at once, for a policy that waits for a server.
  ///
  /// - Parameters:
  ///   - policy: what answers.
  ///   - items: in pixels.
  ///   - concurrency: the most items under way.
  ///   - image: loads an item's image.
  ///   - progress: called after each item, in the order in which they end.
  /// - Returns: one outcome for each item, in the order of the items.
  /// - Throws: what loading and the policy throw, `SearchError`, `CancellationError`.
  public nonisolated(nonsending) func run(
    _ policy: some GroundingPolicy & Sendable,
    items: [GroundingItem],
    concurrency: Int,
    image: @escaping @Sendable (GroundingItem) throws -> RGBImage,
    progress: (Progress) throws -> Void = { _ in }
  ) async throws -> [GroundingOutcome] {
    try search.check()
    return try await withThrowingTaskGroup(of: (Int, Answer).self) { group in
      var outcomes = [GroundingOutcome?](repeating: nil, count: items.count)
      var (next, done) = (0, 0)
      func start() {
        guard next < items.count else { return }
        let index = next
        next += 1
        group.addTask {
          (index, try await answer(policy, items[index]) { try image(items[index]) })
        }
      }
      for _ in 0..<max(1, concurrency) { start() }
      while let (index, answer) = try await group.next() {
        outcomes[index] = answer.outcome
        done += 1
        start()
        try progress(
          Progress(
            item: items[index],
            result: answer.result,
            outcome: answer.outcome,
            doneCount: done,
            itemCount: items.count
          )
        )
      }
      return outcomes.compactMap { $0 }
    }
  }

  private struct Answer: Sendable {
    var result: SearchResult?
    var outcome: GroundingOutcome
  }

  private nonisolated(nonsending) func answer(
    _ policy: some GroundingPolicy,
    _ item: GroundingItem,
    _ image: () throws -> RGBImage
  ) async throws -> Answer {
    expect(item.unit == .pixels, "evaluate: the target of \(item.id) is not in pixels yet")
    var search = search
    search.sampling.seed = search.sampling.seed.map { seed in
      var generator = Philox(seed: seed).fork(stableHash(item.id))
      // Below 2³¹, as servers want it.
      return generator.next() >> 33
    }
    do {
      let result = try await search.run(policy, image: image(), instruction: item.instruction)
      return Answer(result: result, outcome: GroundingOutcome(item, result))
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      guard failureRule == .record else { throw error }
      return Answer(outcome: GroundingOutcome(item, failure: "\(error)"))
    }
  }
}

/// A number for a name, the same in every process: FNV-1a of 64 bits.
func stableHash(_ name: String) -> Int {
  var hash: UInt64 = 0xCBF2_9CE4_8422_2325
  for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
  return Int(truncatingIfNeeded: hash)
}
