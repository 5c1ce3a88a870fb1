public import Federated

/// A federation over a network: rounds, training and plans.
public struct CoordinatorConfiguration: Codable, Hashable, Sendable {
  /// How many rounds there are.
  public var roundCount = 20
  /// The first round begins when so many devices are there.
  public var deviceCount = 2
  /// After a restart, rounds go on when all these devices are back, or after so many seconds.
  public var gatherSeconds = 10.0
  /// How devices get their plans.
  public var planning = SimulationConfiguration.Planning.fixed([.full])
  /// How devices train.
  public var training = LocalTrainingSettings()
  /// Who takes part in a round, and how long it waits.
  public var rounds = RoundSettings()
  /// How results become one step.
  public var aggregation = AggregationSettings()
  /// The model is measured every so many rounds and in the last one; 0 for never.
  public var testInterval = 1
  /// n_k counts up to so many examples, whatever a device says that it has.
  public var exampleLimit = 1_000_000
  /// n_k counts up to so many times the median of the devices that are there; nil for no such limit.
  public var exampleFactor: Double?
  /// An update whose norm is above this is refused, from the first round on; nil for no such limit.
  ///
  /// Beside it stand `AggregationSettings.normLimit`, which knows no norm before five results were
  /// accepted, and `normBound`, which shortens an update instead of refusing it.
  public var updateNormLimit: Double?
  /// The log says so when a round has waited so many seconds for devices, then after twice as long.
  public var noticeSeconds = 30.0
  /// The most devices that may register.
  public var mostDevices = 10_000
  /// How many seconds a device's clock may be off.
  public var clockTolerance = 300.0
  /// The seed of the first model and of all draws.
  public var seed: UInt64

  /// Whole models, 20 rounds, two devices at least.
  public init(seed: UInt64) { self.seed = seed }

  /// What is out of range, in words; nil when the configuration can be used.
  public var fault: String? {
    if roundCount < 1 { return "\(roundCount) rounds" }
    if !(1...mostDevices).contains(deviceCount) {
      return "\(deviceCount) devices to begin with, 1 to \(mostDevices) are possible"
    }
    if deviceCount < rounds.minimumReports {
      return "\(deviceCount) devices to begin with, where a round needs \(rounds.minimumReports)"
    }
    if !(gatherSeconds >= 0) { return "\(gatherSeconds) s to gather" }
    if exampleLimit < 1 { return "at most \(exampleLimit) examples of a device" }
    if let exampleFactor, !(exampleFactor >= 1) {
      return "at most \(exampleFactor) times the median of the examples"
    }
    if let updateNormLimit, !(updateNormLimit > 0) { return "updates of norm \(updateNormLimit)" }
    if !(noticeSeconds > 0) { return "notices after \(noticeSeconds) s" }
    if testInterval < 0 { return "a test interval of \(testInterval)" }
    if !(clockTolerance > 0 && clockTolerance <= 86_400) {
      return "clocks that are \(clockTolerance) s off"
    }
    switch planning {
    case .fixed(let plans), .resampled(let plans):
      if plans.isEmpty { return "no plans" }
      for plan in plans {
        do throws(FederatedError) { try plan.check() } catch { return "\(error)" }
      }
    case .planned:
      if rounds.deadline == nil { return "plans by profile without a deadline" }
    }
    return training.fault ?? rounds.fault ?? aggregation.fault
  }
}
