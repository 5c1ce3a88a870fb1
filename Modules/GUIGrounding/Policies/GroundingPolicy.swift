/// A view and what to find on it.
public struct GroundingRequest: Sendable {
  /// What the policy sees, in the size that its `viewSize(for:)` asks for.
  public var image: RGBImage
  /// What to click.
  public var instruction: String

  /// A request.
  public init(image: RGBImage, instruction: String) {
    (self.image, self.instruction) = (image, instruction)
  }
}

/// How answers are drawn.
public struct GroundingSampling: Codable, Hashable, Sendable {
  /// 0 takes the most likely token each time, which allows one answer only.
  public var temperature: Double
  /// The share of the probability that tokens are drawn from.
  public var topP: Double
  /// The longest answer.
  public var maxTokens: Int
  /// Where the random numbers start; nil leaves that to the policy.
  public var seed: UInt64?

  /// Options; the defaults draw from the policy's own distribution.
  public init(
    temperature: Double = 1,
    topP: Double = 1,
    maxTokens: Int = 256,
    seed: UInt64? = nil
  ) {
    self.temperature = temperature
    self.topP = topP
    self.maxTokens = maxTokens
    self.seed = seed
  }

  /// The most likely answer.
  public static let greedy = GroundingSampling(temperature: 0)

  /// Checks what every policy must refuse.
  ///
  /// - Throws: `GroundingPolicyError`.
  public func check(count: Int) throws(GroundingPolicyError) {
    guard count > 0 else { throw .count(count) }
    guard temperature.isFinite, temperature >= 0 else { throw .temperature(temperature) }
    guard topP > 0, topP <= 1 else { throw .topP(topP) }
    guard maxTokens > 0 else { throw .maxTokens(maxTokens) }
    guard temperature > 0 || count == 1 else { throw .greedyCount(count) }
  }
}

/// Whatever looks at a picture and answers where to click.
///
/// A native policy is a model that belongs to one task; a remote one is a client that many tasks may
/// share, and is `Sendable` besides. So `sample` runs where its caller runs.
public protocol GroundingPolicy {
  /// What reports call it.
  var name: String { get }

  /// The size in which the policy wants to see a picture: the caller resizes.
  func viewSize(for image: PixelSize) -> PixelSize

  /// Draws answers.
  ///
  /// What goes wrong inside an answer is a value (`point` is nil); what keeps the policy from
  /// answering at all (a server that does not reply) is an error.
  ///
  /// - Returns: `count` answers; fewer only where a server has a limit.
  /// - Throws: `GroundingPolicyError` for options that no policy takes, and errors of its own.
  nonisolated(nonsending) func sample(
    _ request: GroundingRequest,
    count: Int,
    options: GroundingSampling
  ) async throws -> [GroundingSample]
}

/// Which options no policy takes.
public enum GroundingPolicyError: Error, Equatable, Sendable {
  /// Fewer than one answer.
  case count(Int)
  /// A temperature below 0 or not finite.
  case temperature(Double)
  /// A share outside 0 < p ≤ 1.
  case topP(Double)
  /// No room for an answer.
  case maxTokens(Int)
  /// Several answers at temperature 0, which would all be the same.
  case greedyCount(Int)
}

extension GroundingPolicyError: CustomStringConvertible {
  /// The option and what it must be.
  public var description: String {
    switch self {
    case .count(let count): "sample: \(count) answers, at least 1 is needed"
    case .temperature(let value): "sample: temperature \(value), 0 or more is needed"
    case .topP(let value): "sample: top-p \(value), above 0 and at most 1 is needed"
    case .maxTokens(let count): "sample: \(count) tokens at most, at least 1 is needed"
    case .greedyCount(let count):
      "sample: \(count) answers at temperature 0 are all the same; ask for 1, or raise it"
    }
  }
}
