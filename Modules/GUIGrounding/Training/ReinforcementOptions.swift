import Autograd

/// How a policy is trained by rewards.
///
/// Choice: all numbers; ReGUIDE's own are not published.
public struct ReinforcementOptions: Codable, Hashable, Sendable {
  /// The optimizer's steps.
  public var steps: Int
  /// The examples of a step.
  public var promptCount = 16
  /// Group size, reduction, clipping, distance from the reference.
  public var settings: GRPOSettings
  /// The temperature that responses are drawn at.
  public var temperature = 1.0
  /// The steps that use the same responses, with the ratio to when they were drawn.
  public var updatesPerRollout = 1
  /// How often examples whose responses all hit or all miss are replaced by others; 0 for never.
  ///
  /// - Source: Yu et al. 2025, "DAPO", section 3.2.
  public var maximumResampling = 0
  /// The rate, its warm-up and its end.
  public var rate = PolicyRate(peak: 5e-4, warmUpSteps: 10, finalShare: 0.1)
  /// The share of a weight that a step at rate 1 subtracts.
  public var weightDecay: Float = 0
  /// The largest norm of all gradients together.
  public var maximumGradientNorm: Float = 1
  /// The seed of the order of examples and of the responses.
  public var seed: UInt64
  /// Steps between checkpoints; nil for the end and interruptions alone.
  public var checkpointInterval: Int?
  /// Steps between evaluations; nil for the end alone.
  public var evaluationInterval: Int?

  /// Eight responses to each of 16 examples a step; 200 steps by default.
  public init(steps: Int = 200, seed: UInt64 = 0) {
    (self.steps, self.seed) = (steps, seed)
    settings = GRPOSettings()
  }

  /// What is wrong with the numbers, or nil.
  public var flaw: String? {
    if settings.groupSize < 2 { return "groups of \(settings.groupSize), at least 2 are needed" }
    if promptCount < 1 { return "\(promptCount) examples a step" }
    if !(temperature > 0 && temperature.isFinite) {
      return "a temperature of \(temperature), above 0 is needed"
    }
    if updatesPerRollout < 1 { return "\(updatesPerRollout) updates a rollout" }
    if maximumResampling < 0 { return "\(maximumResampling) rounds of resampling" }
    return maximumGradientNorm > 0 ? nil : "a gradient norm of \(maximumGradientNorm)"
  }

  /// The settings with the longest completion that a policy writes.
  func settings(for policy: NativeGroundingPolicy) -> GRPOSettings {
    var settings = settings
    let length = policy.configuration.vocabulary.responseLength
    settings.maxCompletionLength = min(settings.maxCompletionLength, length)
    return settings
  }
}
