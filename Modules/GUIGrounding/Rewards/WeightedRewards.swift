/// What an answer is worth by each of several rewards, and together.
public struct RewardBreakdown: Hashable, Codable, Sendable {
  /// The weighted sum of the terms that could judge; nil where none could.
  public var total: Double?
  /// Each term on its own, without its weight.
  public var terms: [Double?]
}

/// A weighted sum of rewards; each term is reported on its own.
///
///     let rewards = WeightedRewards.reguide()          // hit + 0.1 · format
///     let worth = rewards.breakdown(sample, item.target, view: view)
public struct WeightedRewards: GroundingReward {
  /// One reward and what it counts.
  public struct Term: Sendable {
    /// The reward.
    public var reward: any GroundingReward
    /// What it is multiplied by.
    public var weight: Double

    /// A term.
    public init(_ reward: any GroundingReward, weight: Double = 1) {
      (self.reward, self.weight) = (reward, weight)
    }
  }

  /// The terms.
  public var terms: [Term]

  /// A sum of terms.
  public init(_ terms: [Term]) { self.terms = terms }

  /// The reward of ReGUIDE: 1 for a hit, and λ for the form.
  ///
  ///     R = 1[c ∈ X] + λ · 1[form]
  ///
  /// Choice: λ = 0.1; the paper's value is not known.
  public static func reguide(formatWeight: Double = 0.1) -> WeightedRewards {
    WeightedRewards([Term(HitReward()), Term(FormatReward(), weight: formatWeight)])
  }

  /// The names of the terms with their weights: `hit + 0.1·format`.
  public var name: String {
    terms.map { term in
      term.weight == 1 ? term.reward.name : "\(term.weight)·\(term.reward.name)"
    }.joined(separator: " + ")
  }

  /// Every term, and their sum.
  public func breakdown(
    _ sample: GroundingSample,
    _ target: GroundingTarget,
    view: ViewTransform
  ) -> RewardBreakdown {
    let scores = terms.map { $0.reward.score(sample, target, view: view) }
    var total: Double?
    for (term, score) in zip(terms, scores) {
      if let score { total = (total ?? 0) + term.weight * score }
    }
    return RewardBreakdown(total: total, terms: scores)
  }

  /// The weighted sum; nil where no term could judge.
  public func score(
    _ sample: GroundingSample,
    _ target: GroundingTarget,
    view: ViewTransform
  ) -> Double? {
    breakdown(sample, target, view: view).total
  }
}
