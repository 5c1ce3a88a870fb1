import Tensor

/// What each answer of a group is worth beside the others.
///
///     A = (r − μ_g) / (σ_g + ε)       σ with the denominator n − 1; of the batch, or absent
///
/// Equal rewards give exactly 0. A reward that is not a number (an answer that nobody could judge)
/// takes no part in means and deviations, and its advantage is 0.
///
/// - Source: Shao et al. 2024, "DeepSeekMath", section 4.1; `GRPOTrainer` of trl.
public struct GroupAdvantages: Codable, Hashable, Sendable {
  /// One for each row.
  public let advantages: [Double]
  /// Answers to one prompt.
  public let groupSize: Int
  /// The mean reward of each group; NaN where no row could be judged.
  public let groupMeans: [Double]
  /// The deviation of the rewards of each group, 0 for fewer than two.
  public let groupDeviations: [Double]
  /// The mean reward of the rows that could be judged; NaN without any.
  public let rewardMean: Double
  /// The deviation of their rewards.
  public let rewardDeviation: Double

  /// Advantages from rewards, group after group; stops where they do not fill whole groups.
  public init(rewards: [Double], settings: GRPOSettings) {
    let size = settings.groupSize
    expect(
      size > 0 && rewards.count % max(size, 1) == 0,
      "advantages: \(rewards.count) rewards in groups of \(size)"
    )
    let groups = stride(from: 0, to: rewards.count, by: size).map { start in
      Spread(rewards[start..<start + size])
    }
    let batch = Spread(rewards[...])
    advantages = rewards.enumerated().map { row, reward in
      let group = groups[row / size]
      // Equal rewards are compared as such: a rounded mean must not leave a remainder.
      guard reward.isFinite, !group.isConstant else { return 0 }
      switch settings.scaling {
      case .none: return reward - group.mean
      case .group: return (reward - group.mean) / (group.deviation + settings.advantageEpsilon)
      case .batch: return (reward - group.mean) / (batch.deviation + settings.advantageEpsilon)
      }
    }
    groupSize = size
    groupMeans = groups.map(\.mean)
    groupDeviations = groups.map(\.deviation)
    rewardMean = batch.mean
    rewardDeviation = batch.deviation
  }

  /// Whether all rewards of a row's group are equal: nothing to learn from it.
  public func isDead(row: Int) -> Bool { groupDeviations[row / groupSize] == 0 }

  /// The share of groups with equal rewards.
  public var deadGroupShare: Double {
    guard !groupDeviations.isEmpty else { return 0 }
    return Double(groupDeviations.count { $0 == 0 }) / Double(groupDeviations.count)
  }
}

/// Mean and deviation of the finite numbers of a list.
private struct Spread {
  let mean: Double
  let deviation: Double
  let isConstant: Bool

  init(_ values: ArraySlice<Double>) {
    let finite = values.filter(\.isFinite)
    let mean = finite.reduce(0, +) / Double(finite.count)
    let isConstant = finite.allSatisfy { $0 == finite.first }
    let squares = finite.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    self.mean = mean
    self.isConstant = isConstant
    deviation = isConstant ? 0 : (squares / Double(finite.count - 1)).squareRoot()
  }
}
