import Autograd

/// How the global and a local view of an example are brought to agree.
public enum ConsistencyMode: String, Codable, CaseIterable, Sendable {
  /// The policy's own solved examples, in both views, with the centre as the answer.
  case pairedSFT
  /// Half of a group's responses to each view, with a bonus where the views agree.
  case jointReward
  /// No second stage.
  case off
}

/// How a policy is trained to agree with itself.
///
/// Choice: all numbers; ReGUIDE's own are not published.
public struct ConsistencyOptions: Codable, Hashable, Sendable {
  /// What is done.
  public var mode = ConsistencyMode.pairedSFT
  /// The optimizer's steps.
  public var steps: Int
  /// The examples of a step.
  public var promptCount = 16
  /// K, the responses of the frozen policy of which one must hit; `pairedSFT` alone.
  public var candidates = 4
  /// The local view.
  public var crop = ConsistencyCrop()
  /// Whether local views are shown at all; without them `pairedSFT` is a control.
  public var showsLocalViews = true
  /// The temperature of the responses.
  public var temperature = 1.0
  /// The rate, its warm-up and its end.
  public var rate = PolicyRate(peak: 5e-4, warmUpSteps: 10, finalShare: 0.1)
  /// The share of a weight that a step at rate 1 subtracts; `pairedSFT` alone.
  public var weightDecay: Float = 0.01
  /// Group size, reduction, clipping; `jointReward` alone.
  public var settings = GRPOSettings()
  /// μ, the bonus of a response that agrees with the other view; `jointReward` alone.
  public var agreementBonus = 0.5
  /// ε, how near to the other view's hits counts as agreement, in shares of the longer side of the
  /// picture; `jointReward` alone.
  public var agreementRadius = 0.04
  /// The largest norm of all gradients together.
  public var maximumGradientNorm: Float = 1
  /// The seed of the order of examples, of crops and responses.
  public var seed: UInt64
  /// Steps between checkpoints; nil for the end and interruptions alone.
  public var checkpointInterval: Int?
  /// Steps between evaluations; nil for the end alone.
  public var evaluationInterval: Int?

  /// Sixteen examples a step; 150 steps by default.
  public init(mode: ConsistencyMode = .pairedSFT, steps: Int = 150, seed: UInt64 = 0) {
    (self.mode, self.steps, self.seed) = (mode, steps, seed)
  }

  /// What is wrong with the numbers, or nil.
  public var flaw: String? {
    if promptCount < 1 { return "\(promptCount) examples a step" }
    if candidates < 1 { return "\(candidates) candidates" }
    if !(temperature > 0 && temperature.isFinite) {
      return "a temperature of \(temperature), above 0 is needed"
    }
    if mode == .jointReward, settings.groupSize < 2 || settings.groupSize % 2 != 0 {
      return "groups of \(settings.groupSize), an even number is needed for two views"
    }
    if !agreementBonus.isFinite || !(agreementRadius >= 0) {
      return "a bonus of \(agreementBonus) within \(agreementRadius)"
    }
    if !(maximumGradientNorm > 0) { return "a gradient norm of \(maximumGradientNorm)" }
    return crop.flaw
  }
}

extension ReinforcementOptions {
  /// The options of the run that a joint reward makes.
  init(_ options: ConsistencyOptions) {
    self.init(steps: options.steps, seed: options.seed)
    promptCount = options.promptCount
    settings = options.settings
    temperature = options.temperature
    rate = options.rate
    weightDecay = 0
    maximumGradientNorm = options.maximumGradientNorm
    checkpointInterval = options.checkpointInterval
    evaluationInterval = options.evaluationInterval
  }
}
