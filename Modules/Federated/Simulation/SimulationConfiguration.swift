/// A whole federation on one machine: devices, data, rounds, training, faults and measures.
public struct SimulationConfiguration: Codable, Hashable, Sendable {
  /// How examples are shared out.
  public enum Sharing: Codable, Hashable, Sendable {
    /// At random, in equal parts.
    case even
    /// Label skew: each class by Dir(α) over the devices.
    case dirichlet(alpha: Double)
    /// Sorted by label, cut in pieces, so many for each device.
    case shards(perClient: Int)
    /// Unequal sizes by Dir(α), labels at random.
    case quantity(alpha: Double)
  }

  /// How devices get their plans.
  public enum Planning: Codable, Hashable, Sendable {
    /// Device k takes plan k mod n, in all rounds.
    case fixed([DevicePlan])
    /// Every device draws one of the plans in each round.
    case resampled([DevicePlan])
    /// By the profile of the device's class, with the planner's memory of successes and failures.
    case planned
  }

  /// A class of devices and its share of all.
  public struct ClassShare: Codable, Hashable, Sendable {
    /// The class.
    public var deviceClass: DeviceClass
    /// Its weight among the classes.
    public var share: Double

    /// A share.
    public init(_ deviceClass: DeviceClass, share: Double) {
      self.deviceClass = deviceClass
      self.share = share
    }
  }

  /// What goes wrong, and how times vary.
  public struct Faults: Codable, Hashable, Sendable {
    /// The probability that a device vanishes during a task.
    public var dropOut = 0.0
    /// The probability that a result is sent twice.
    public var duplicate = 0.0
    /// The probability that a result is not a number.
    public var corruption = 0.0
    /// σ of the factor exp(σ N(0, 1)) on a device's time.
    public var timeSpread = 0.2
    /// Whether devices stop training in time for the deadline, and send what they have.
    public var boxesTime = false

    /// No faults; times vary by σ = 0.2.
    public init() {}
  }

  /// What is measured, and when.
  public struct Measuring: Codable, Hashable, Sendable {
    /// The model on the test set every so many rounds, and in the last one; 0 for never.
    public var testInterval = 1
    /// The model on all devices' own examples every so many rounds, and in the last one; 0 for never.
    public var clientInterval = 0
    /// Whether the models of all planned widths and bits are measured with the last round.
    public var measuresSlices = false

    /// The test set, after every round.
    public init() {}
  }

  /// The name, for reports.
  public var name = "simulation"
  /// The devices.
  public var deviceCount = 10
  /// The classes of devices; device k belongs to a class by its place in the shares.
  public var classes = [ClassShare(.server, share: 1)]
  /// How examples are shared out.
  public var partition = Sharing.dirichlet(alpha: 0.5)
  /// The fewest examples of a device.
  public var leastExamples = 10
  /// How devices get their plans.
  public var planning = Planning.fixed([.full])
  /// How devices train.
  public var training = LocalTrainingSettings()
  /// Who takes part.
  public var rounds = RoundSettings()
  /// How results become one step.
  public var aggregation = AggregationSettings()
  /// Clipping and noise on the devices; nil for none.
  public var localPrivacy: LocalPrivacy?
  /// How many rounds there are.
  public var roundCount = 20
  /// What goes wrong.
  public var faults = Faults()
  /// What is measured.
  public var measuring = Measuring()

  /// Ten devices with label skew 0.5, whole models, 20 rounds.
  public init() {}

  /// What is out of range, in words; nil when the configuration can be used.
  public var fault: String? {
    if !(1...1_000_000).contains(deviceCount) { return "\(deviceCount) devices" }
    if classes.isEmpty || !classes.allSatisfy({ $0.share > 0 && $0.share.isFinite }) {
      return "shares of classes that are not above 0"
    }
    switch partition {
    case .even: break
    case .dirichlet(let alpha), .quantity(let alpha):
      if !(alpha > 0 && alpha.isFinite) { return "a Dirichlet parameter of \(alpha)" }
    case .shards(let count): if count < 1 { return "\(count) shards for each device" }
    }
    switch planning {
    case .fixed(let plans), .resampled(let plans): if plans.isEmpty { return "no plans" }
    case .planned: break
    }
    if roundCount < 1 { return "\(roundCount) rounds" }
    for probability in [faults.dropOut, faults.duplicate, faults.corruption] {
      if !(0...1).contains(probability) { return "a probability of \(probability)" }
    }
    if !(faults.timeSpread >= 0 && faults.timeSpread <= 5) {
      return "times that vary by \(faults.timeSpread)"
    }
    if min(measuring.testInterval, measuring.clientInterval) < 0 { return "negative intervals" }
    return training.fault ?? rounds.fault ?? aggregation.fault
  }
}
