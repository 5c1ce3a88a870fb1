/// How the losses of tokens become one number; the only difference between the variants.
///
/// L: loss of a token, M: 1 for tokens that count, B: rows, T_max: the longest completion.
public enum GRPOReduction: String, Codable, CaseIterable, Sendable {
  /// Mean over rows of (Σ M·L / max(1, Σ M)): every row weighs the same.
  case grpo
  /// Σ M·L / max(1, Σ M) of the batch at hand: every token weighs the same.
  case bnpo
  /// Σ M·L / (B · T_max): a constant, so that long answers are not favoured.
  case drGRPO = "dr_grpo"
  /// Σ M·L / max(1, tokens of the whole accumulated batch).
  case dapo
}

/// What the rewards of a group are divided by.
public enum AdvantageScaling: String, Codable, CaseIterable, Sendable {
  /// The deviation of the group.
  case group
  /// Nothing: Dr. GRPO.
  case none
  /// The deviation of the batch.
  case batch
}

/// Whose probability the importance ratio compares.
public enum RatioLevel: String, Codable, CaseIterable, Sendable {
  /// Each token's.
  case token
  /// The row's, per token: GSPO.
  case sequence
}

/// How the distance from the reference policy is estimated.
public enum KLEstimator: String, Codable, CaseIterable, Sendable {
  /// k3 = exp(d) − d − 1 with d = ℓ_ref − ℓ.
  case k3
  /// k3 with d within ±20, and the result within ±10: verl and EasyR1.
  case clampedK3 = "clamped_k3"
}

/// The constants of group-relative policy optimization.
///
/// The defaults suit the native policy. For a language model: `GRPOSettings.languageModel`.
///
/// Choice: all values. ReGUIDE's own are not published.
public struct GRPOSettings: Codable, Hashable, Sendable {
  /// Answers to one prompt, G.
  public var groupSize = 8
  /// How token losses are reduced.
  public var reduction = GRPOReduction.drGRPO
  /// How advantages are scaled.
  public var scaling = AdvantageScaling.group
  /// Whose ratio is clipped.
  public var ratioLevel = RatioLevel.token
  /// The ratio is not followed below 1 − ε_low.
  public var epsilonLow = 0.2
  /// The ratio is not followed above 1 + ε_high.
  public var epsilonHigh = 0.2
  /// Dual clip: the largest ratio of the branch that is not clipped.
  public var delta: Double?
  /// The weight of the distance from the reference policy.
  public var beta = 0.0
  /// How that distance is estimated.
  public var klEstimator = KLEstimator.k3
  /// T_max of `drGRPO`.
  public var maxCompletionLength = 256
  /// What is added to a deviation before it divides: 1e-4 in trl, 1e-6 in verl.
  public var advantageEpsilon = 1e-4
  /// Whether rows of groups with equal rewards are left out, so that they pull nowhere; otherwise
  /// the distance from the reference still acts on them, as in trl.
  public var maskZeroVarianceGroups = false

  /// The defaults.
  public init() {}

  /// Defaults for a policy of the size of a language model.
  public static let languageModel: GRPOSettings = {
    var settings = GRPOSettings()
    settings.reduction = .dapo
    settings.epsilonHigh = 0.28
    settings.beta = 0.04
    return settings
  }()
}
