/// What answering took.
public struct InferenceCost: Hashable, Codable, Sendable {
  /// Responses that were drawn: one for a greedy answer, N for a vote.
  public var calls = 0
  /// Requests to the policy, each for one response or more.
  public var requests = 0
  /// Tokens of the responses; those of unknown length count 0.
  public var tokens = 0
  /// Wall time in seconds.
  public var seconds = 0.0

  /// Nothing yet.
  public init() {}

  /// The sum of two costs.
  public static func + (left: InferenceCost, right: InferenceCost) -> InferenceCost {
    var sum = left
    sum.calls += right.calls
    sum.requests += right.requests
    sum.tokens += right.tokens
    sum.seconds += right.seconds
    return sum
  }
}

/// One sample's place on the image.
public struct SearchVote: Hashable, Codable, Sendable {
  /// Which sample of its stage it is.
  public var sample: Int
  /// The stage that drew it, from 0: later stages may count earlier votes.
  public var stage: Int
  /// Where it points, in pixels of the image.
  public var point: GroundingPoint
  /// Its share of the weight.
  public var weight: Double
  /// The density of all votes at it, per square pixel.
  public var density: Double
}

/// One look at a region.
public struct SearchStage: Hashable, Codable, Sendable {
  /// What was shown of the image.
  public var region: PixelRect
  /// The extents in which it was shown.
  public var view: PixelSize
  /// All responses, points in pixels of the view.
  public var samples: [GroundingSample]
  /// The places that counted.
  public var votes: [SearchVote]
  /// Responses that named no place.
  public var unparsedCount: Int
  /// Responses whose place lay too far outside the view.
  public var outsideCount: Int
  /// h of the kernel in pixels of the image, the mean of both axes; 0 without votes.
  public var bandwidth: Double
  /// The covariance of the kernel; nil without votes.
  public var kernel: VoteKernel?
  /// The share of the weight within one bandwidth of the answer.
  public var consensus: Double
  /// The answer after this stage, in pixels of the image: that of the stage before where this one
  /// has no votes.
  public var point: GroundingPoint?
  /// What the stage took.
  public var cost: InferenceCost
}

/// The answer of a search, and how it came about: enough to draw and to audit it.
public struct SearchResult: Hashable, Codable, Sendable {
  /// The extents of the image.
  public var imageSize: PixelSize
  /// Every look, in order.
  public var stages: [SearchStage]
  /// Whether a stage was skipped because the votes agreed.
  public var stoppedEarly: Bool

  /// Where to click, in pixels of the image; nil where no response of any stage named a place.
  public var point: GroundingPoint? { stages.last?.point }
  /// Whether no response named a place.
  public var isWrongFormat: Bool { point == nil }
  /// What all stages took together.
  public var cost: InferenceCost { stages.map(\.cost).reduce(InferenceCost(), +) }
}
