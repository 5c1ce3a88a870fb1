import Tensor

// Entry j over the devices k that returned:
//
//     A_j = Σ_k ω_k m_kj D_kj / Σ_k ω_k m_kj     where the denominator is not 0, else 0
//
// HeteroFL (Diao et al. 2021), section 3: the mean over the devices that hold the parameter. With
// ω_k = n_k and full coverage it is FedAvg (McMahan et al. 2017, algorithm 1).

/// The weighted mean of updates, entry by entry over the devices that cover it.
///
///     let mean = CoverageMean()(contributions, like: global)
///     optimizer.step(&global, by: mean)
public struct CoverageMean: Codable, Hashable, Sendable {
  /// What sums are divided by.
  public enum Normalization: Codable, Hashable, Sendable {
    /// The weights of the devices that cover the entry.
    case covered
    /// The weights of all devices: smaller steps where few devices cover. `total` is Σ ω over all
    /// sampled devices; nil for those that returned.
    case diluted(total: Double?)
  }

  /// ω_k.
  public var weighting: AggregationWeight
  /// What sums are divided by.
  public var normalization: Normalization
  /// How many devices must cover an entry, or it keeps its value.
  public var overlapFloor: Int

  /// A mean; without arguments by numbers of examples over the covering devices.
  public init(
    weighting: AggregationWeight = .examples,
    normalization: Normalization = .covered,
    overlapFloor: Int = 1
  ) {
    self.weighting = weighting
    self.normalization = normalization
    self.overlapFloor = overlapFloor
  }

  /// The mean of the contributions, for parameters of these names and shapes.
  ///
  /// The sums run in the order of the contributions, in Double.
  public func callAsFunction(
    _ contributions: [Contribution],
    like global: ParameterSet
  ) -> AggregatedUpdate {
    var accumulator = CoverageAccumulator(like: global)
    accumulator.add(contributions, weighting: weighting)
    return accumulator.mean(self)
  }
}
