import Foundation

/// Answering by vote, crop and vote again: for any policy.
///
///     1  C = the points of N responses to the whole image
///     2  v = mode of the density of C
///     3  R = a crop around v, shifted to lie in the image
///     4  C' = the points of N responses to R, brought back to the image
///     5  answer = mode of the density of C'; v where no response names a place
///
///     let result = try await SpatialSearch().run(policy, image: screenshot, instruction: "open mail")
///     print(result.point, result.cost.calls)
///
/// A mode is no mean: between two clusters there is nothing to click.
///
/// - Source: ReGUIDE, section 3.3 as its reviewers describe it.
///
/// Choice: every constant; the paper's are not known.
public struct SpatialSearch: Codable, Hashable, Sendable {
  /// N: responses of a stage.
  public var samplesPerStage = 16
  /// Looks at the image; 1 is a vote without a crop.
  public var stages = 2
  /// How large the crop of each later stage is.
  public var crop = CropRule.fraction(0.5)
  /// The shortest side of a crop, where the image has that many pixels: eight patches of 28.
  public var minimumCropSide = 28 * 8
  /// How far a vote reaches.
  public var bandwidth = VoteBandwidth.relative(0.04)
  /// How votes become an answer.
  public var aggregation = VoteAggregation.kdeMode
  /// What a vote counts.
  public var weighting = VoteWeighting.uniform
  /// When later stages are skipped; nil for never.
  public var gate: ConsensusGate?
  /// Whether later stages count the votes of earlier ones too.
  public var includesEarlierVotes = false
  /// How responses are drawn.
  public var sampling = GroundingSampling()
  /// The most requests of a stage, for policies that give fewer responses than asked for.
  public var maximumRequests = 16
  /// How far outside the view a point may lie, as a share of its side, to be moved to the border
  /// instead of being dropped.
  public var outsideTolerance = 0.02

  /// The full search: two stages of 16 responses.
  public init() {}

  /// One greedy answer to the whole image.
  public static let greedy: SpatialSearch = {
    var search = SpatialSearch()
    search.samplesPerStage = 1
    search.stages = 1
    search.sampling = .greedy
    return search
  }()

  /// One sampled answer to the whole image.
  public static let sampled: SpatialSearch = {
    var search = SpatialSearch.greedy
    search.sampling = GroundingSampling()
    return search
  }()

  /// A vote on the whole image, without a crop.
  public static let vote: SpatialSearch = {
    var search = SpatialSearch()
    search.stages = 1
    return search
  }()

  /// A greedy answer, and a greedy answer to the crop around it: two calls.
  public static let twoCalls: SpatialSearch = {
    var search = SpatialSearch.greedy
    search.stages = 2
    return search
  }()

  /// Checks the settings.
  ///
  /// - Throws: `SearchError` or `GroundingPolicyError`.
  public func check() throws {
    func need(_ condition: Bool, _ name: String, _ value: Any, _ needed: String) throws {
      guard condition else {
        throw SearchError.setting(name: name, value: "\(value)", needed: needed)
      }
    }
    try sampling.check(count: samplesPerStage)
    try need(stages > 0, "stages", stages, "at least 1 is needed")
    try need(maximumRequests > 0, "maximumRequests", maximumRequests, "at least 1 is needed")
    try need(minimumCropSide >= 0, "minimumCropSide", minimumCropSide, "0 or more is needed")
    try need(outsideTolerance >= 0, "outsideTolerance", outsideTolerance, "0 or more is needed")
    switch crop {
    case .fraction(let share):
      try need(share > 0 && share <= 1, "crop", share, "a share above 0, at most 1, is needed")
    case .fixed(let size):
      try need(size.width > 0 && size.height > 0, "crop", size, "extents above 0 are needed")
    }
    switch bandwidth {
    case .pixels(let width), .relative(let width), .covariance(let width):
      let isUsable = width >= 1e-6 && width <= 1e6
      try need(isUsable, "bandwidth", width, "a width of 1e-6 to 1e6 is needed")
    case .scott, .silverman: break
    }
  }

  /// Answers an instruction.
  ///
  /// - Parameters:
  ///   - policy: what looks at the views.
  ///   - image: the whole screenshot.
  ///   - instruction: what to click.
  /// - Returns: the answer and every stage.
  /// - Throws: `SearchError` for settings that make no sense, and what the policy throws.
  public nonisolated(nonsending) func run(
    _ policy: some GroundingPolicy,
    image: RGBImage,
    instruction: String
  ) async throws -> SearchResult {
    try check()
    var result = SearchResult(imageSize: image.size, stages: [], stoppedEarly: false)
    var region = image.size.bounds
    for stage in 0..<stages {
      let step = SearchStep(search: self, stage: stage, region: region, earlier: result.stages)
      let done = try await step.run(policy, image: image, instruction: instruction)
      result.stages.append(done)
      // Without an answer there is nothing to look at more closely.
      guard stage + 1 < stages, let point = done.point else { break }
      if let gate, gate.isMet(by: done, minimumCropSide: minimumCropSide) {
        result.stoppedEarly = true
        break
      }
      let size = crop.size(after: region.size, image: image.size, minimumSide: minimumCropSide)
      region = PixelRect(center: point, size: size, in: image.size)
    }
    return result
  }
}
