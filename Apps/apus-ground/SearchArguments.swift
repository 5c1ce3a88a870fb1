import ArgumentParser
import GUIGrounding

/// How an answer is found.
enum SearchMethod: String, CaseIterable, Codable, ExpressibleByArgument {
  /// The likeliest response to the whole picture.
  case greedy
  /// One response that is drawn.
  case sampled
  /// A vote on the whole picture.
  case vote
  /// The likeliest response, and the likeliest to a crop around it.
  case twoCalls = "two-calls"
  /// A vote, a crop around it, and a vote on that.
  case full
}

/// The numbers of a search.
struct SearchArguments: ParsableArguments {
  @Option(help: "The responses of each vote.")
  var samples = 16
  @Option(help: "The stages of a full search.")
  var stages = 2
  @Option(
    help: ArgumentHelp("A crop: a share of the sides, or extents (640x480).", valueName: "size")
  )
  var crop = CropRule.fraction(0.5)
  @Option(
    help: "The shortest side of a crop in pixels. (default: 224; a native policy's view)"
  )
  var minimumCropSide: Int?
  @Option(
    help: ArgumentHelp(
      "How far a vote reaches: a share of the longer side, pixels (8px), scott or silverman.",
      valueName: "width"
    )
  )
  var bandwidth = VoteBandwidth.relative(0.04)
  @Option(help: "How votes become one answer.")
  var aggregation = VoteAggregation.kdeMode
  @Option(
    help: ArgumentHelp(
      "Weigh votes by their probability at a temperature.",
      valueName: "temperature"
    )
  )
  var weighting: Double?
  @Option(
    help: ArgumentHelp("Stop when so much of the weight agrees, such as 0.75.", valueName: "share")
  )
  var gate: Double?
  @Flag(help: "Later stages count the votes of earlier ones too.")
  var earlierVotes = false
  @Option(help: "The temperature of drawn responses.")
  var temperature = 1.0
  @Option(help: "The share of the probability that tokens are drawn from.")
  var topP = 1.0
  @Option(help: "The longest response in tokens.")
  var maxTokens = 256
  @Option(help: "The seed of drawn responses.")
  var seed: UInt64 = 0

  func validate() throws {
    guard (1...4096).contains(samples) else { throw ValidationError("--samples must be 1 to 4096") }
    guard (1...16).contains(stages) else { throw ValidationError("--stages must be 1 to 16") }
    guard (0...1_000_000).contains(minimumCropSide ?? 0) else {
      throw ValidationError("--minimum-crop-side must be 0 or more")
    }
    guard temperature > 0, temperature <= 100 else {
      throw ValidationError("--temperature must be above 0; a greedy answer is --method greedy")
    }
    guard topP > 0, topP <= 1 else { throw ValidationError("--top-p must be above 0, at most 1") }
    guard (1...1_000_000).contains(maxTokens) else {
      throw ValidationError("--max-tokens must be above 0")
    }
    guard weighting ?? 1 > 0, (weighting ?? 1).isFinite else {
      throw ValidationError("--weighting must be above 0")
    }
    guard (gate ?? 1) > 0, (gate ?? 1) <= 1 else {
      throw ValidationError("--gate must be above 0, at most 1")
    }
    guard seed < 1 << 31 else { throw ValidationError("--seed must be below 2³¹") }
  }

  static let noProbabilities = "the server gives no probabilities, so that all votes weigh the same"

  /// The search of a method.
  func search(_ method: SearchMethod, for policy: LoadedPolicy) throws -> SpatialSearch {
    var search =
      switch method {
      case .greedy: SpatialSearch.greedy
      case .sampled: SpatialSearch.sampled
      case .vote: SpatialSearch.vote
      case .twoCalls: SpatialSearch.twoCalls
      case .full: SpatialSearch()
      }
    if method == .full { search.stages = stages }
    if method == .vote || method == .full { search.samplesPerStage = samples }
    if method != .greedy, method != .twoCalls {
      search.sampling = GroundingSampling(temperature: temperature, topP: topP)
    }
    search.sampling.maxTokens = maxTokens
    search.sampling.seed = seed
    search.crop = crop
    if let side = minimumCropSide ?? policy.minimumCropSide { search.minimumCropSide = side }
    search.bandwidth = bandwidth
    search.aggregation = aggregation
    if let weighting { search.weighting = .sequenceLogProbability(temperature: weighting) }
    search.gate = gate.map { ConsensusGate(share: $0) }
    search.includesEarlierVotes = earlierVotes
    try search.check()
    return search
  }
}

extension SearchResult {
  /// Whether no answer came with its probability.
  var lacksProbabilities: Bool {
    let samples = stages.flatMap(\.samples)
    return !samples.isEmpty && samples.allSatisfy { $0.logProbability == nil }
  }
}
