// Wang et al. 2020, "Tackling the Objective Inconsistency Problem in Heterogeneous Federated
// Optimization", equation 9 for plain SGD:
//
//     w += τ_eff Σ_k p_k D_k / τ_k,   τ_eff = Σ_k p_k τ_k,   p_k = ω_k / Σ ω

/// Makes devices that took more steps count no more than others.
///
///     let mean = CoverageMean()(FedNova()(contributions), like: global)
public struct FedNova: Codable, Hashable, Sendable {
  /// ω_k.
  public var weighting: AggregationWeight

  /// A normalisation.
  public init(weighting: AggregationWeight = .examples) { self.weighting = weighting }

  /// The contributions with D_k · τ_eff / τ_k; those without a step do not count.
  public func callAsFunction(_ contributions: [Contribution]) -> [Contribution] {
    let working = contributions.filter { $0.stepCount > 0 }
    let weights = working.map { weighting($0) }
    let total = weights.reduce(0, +)
    guard total > 0 else { return working }
    let effective = zip(working, weights).reduce(0) { $0 + $1.1 * Double($1.0.stepCount) } / total
    return working.map { contribution in
      var contribution = contribution
      contribution.scale *= effective / Double(contribution.stepCount)
      return contribution
    }
  }
}
