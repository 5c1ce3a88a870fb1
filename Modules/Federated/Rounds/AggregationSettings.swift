/// How the results of a round become one step of the global model.
public struct AggregationSettings: Codable, Hashable, Sendable {
  /// The rule of the server's optimizer, its rate and its start.
  public struct Optimizer: Codable, Hashable, Sendable {
    /// The rule.
    public var rule: ServerOptimizer.Rule
    /// η_s; nil for the rule's own.
    public var learningRate: Double?
    /// Whose start of the moments is used.
    public var correction: ServerOptimizer.Correction

    /// FedAvg by default.
    public init(
      _ rule: ServerOptimizer.Rule = .average,
      learningRate: Double? = nil,
      correction: ServerOptimizer.Correction = .none
    ) {
      self.rule = rule
      self.learningRate = learningRate
      self.correction = correction
    }

    var optimizer: ServerOptimizer {
      ServerOptimizer(rule, learningRate: learningRate, correction: correction)
    }
  }

  /// What the results are combined by.
  public enum Rule: Codable, Hashable, Sendable {
    /// The weighted mean over the devices that cover an entry.
    case mean
    /// The middle value over the devices that cover an entry.
    case median
    /// The mean without the smallest and the largest values of an entry.
    case trimmedMean(share: Double)
    /// The weighted mean of the results that are nearest to the others.
    case krum(byzantine: Int, selected: Int)
  }

  /// What the results are combined by.
  public var rule = Rule.mean
  /// The weighted mean over the devices that cover an entry.
  public var mean = CoverageMean()
  /// The largest norm of an update, to which longer ones are shortened; nil for none.
  public var normBound: Double?
  /// What follows the mean.
  public var optimizer = Optimizer()
  /// Whether rows of the head are averaged only over devices that hold the class.
  public var masksHead = false
  /// Whether updates count by their mean step (FedNova), for devices that make unequal numbers of steps.
  ///
  ///     A = τ_eff Σ p_k D_k / τ_k,   τ_eff = Σ p_k τ_k
  ///
  /// Source: Wang et al. 2020, "Tackling the Objective Inconsistency Problem in Heterogeneous
  /// Federated Optimization", equation 9.
  public var normalizesSteps = false
  /// An update is refused when its norm is above so many times the median of the last ones; nil
  /// accepts all.
  public var normLimit: Double? = 10

  /// Clipping and noise on the server; then updates count alike, and `rule`, `mean` and `normBound` do
  /// not apply.
  public var privacy: CentralPrivacy?
  /// δ, for the ε that is reported.
  public var privacyDelta = 1e-5

  /// FedAvg over the covering devices.
  public init() {}

  package var fault: String? {
    if let normLimit, !(normLimit > 0) { return "a limit of \(normLimit) median norms" }
    if let normBound, !(normBound > 0) { return "a norm bound of \(normBound)" }
    if privacy != nil, rule != .mean { return "private sums by another rule than the mean" }
    if !(privacyDelta > 0 && privacyDelta < 1) { return "δ = \(privacyDelta)" }
    if mean.overlapFloor < 0 { return "an overlap of \(mean.overlapFloor)" }
    switch rule {
    case .mean, .median: return nil
    case .trimmedMean(let share):
      return share >= 0 && share < 0.5 ? nil : "a trimmed share of \(share)"
    case .krum(let byzantine, let selected):
      return byzantine >= 0 && selected > 0
        ? nil : "Krum against \(byzantine) devices with \(selected) selected"
    }
  }

  /// Whether the rule needs all results at once: then they stay in memory until the round closes.
  var needsAllResults: Bool { rule != .mean }

  /// The mean that is taken: of a private sum, over a fixed number of devices.
  var effectiveMean: CoverageMean {
    guard let privacy else { return mean }
    return CoverageMean(
      weighting: .uniform,
      normalization: .diluted(total: privacy.expectedClients)
    )
  }
}
