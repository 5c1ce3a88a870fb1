/// A simulation from its configuration to its last round.
public struct SimulationReport: Codable, Hashable, Sendable {
  /// The name of the configuration.
  public var name: String
  /// The name of the task.
  public var task: String
  /// What the task was, by checksums; nil in reports of earlier versions.
  public var identity: TaskIdentity?
  /// The seed.
  public var seed: UInt64
  /// The numbers of the global model.
  public var parameterCount: Int
  /// Devices, rounds, training, faults and measures.
  public var configuration: SimulationConfiguration
  /// What the devices are and hold.
  public var devices: FleetSummary
  /// The rounds in order.
  public var rounds: [RoundReport]
  /// Seconds of computing, on the real clock.
  public var wallSeconds: Double

  package init(
    name: String,
    task: String,
    identity: TaskIdentity? = nil,
    seed: UInt64,
    parameterCount: Int,
    configuration: SimulationConfiguration,
    devices: FleetSummary,
    rounds: [RoundReport],
    wallSeconds: Double
  ) {
    self.name = name
    self.task = task
    self.identity = identity
    self.seed = seed
    self.parameterCount = parameterCount
    self.configuration = configuration
    self.devices = devices
    self.rounds = rounds
    self.wallSeconds = wallSeconds
  }

  /// What all devices sent.
  public var uplinkBytes: Int { rounds.reduce(0) { $0 + $1.uplinkBytes } }
  /// What all devices received.
  public var downlinkBytes: Int { rounds.reduce(0) { $0 + $1.downlinkBytes } }
  /// Seconds of the virtual clock.
  public var virtualSeconds: Double { rounds.last?.end ?? 0 }

  /// The accuracy on the test set after so many rounds; nil where it was not measured.
  public func accuracy(afterRounds count: Int) -> Double? {
    rounds.first { $0.round == count - 1 }?.evaluation?.accuracy
  }

  /// The last accuracy on the test set.
  public var finalAccuracy: Double? { rounds.last { $0.evaluation != nil }?.evaluation?.accuracy }
}

/// The devices of a simulation in numbers.
public struct FleetSummary: Codable, Hashable, Sendable {
  /// How many devices there are.
  public var count: Int
  /// How many of each class.
  public var classes: [String: Int]
  /// The mean number of examples.
  public var meanExamples: Double
  /// How labels lie among the devices, and how their numbers of examples vary.
  public var labels: DataPartition.Statistics

  package init(
    count: Int,
    classes: [String: Int],
    meanExamples: Double,
    labels: DataPartition.Statistics
  ) {
    self.count = count
    self.classes = classes
    self.meanExamples = meanExamples
    self.labels = labels
  }
}

extension DeviceFleet {
  var summary: FleetSummary {
    let sizes = examples.map { Double($0.count) }
    return FleetSummary(
      count: count,
      classes: classes.reduce(into: [:]) { $0[$1.rawValue, default: 0] += 1 },
      meanExamples: sizes.reduce(0, +) / Double(max(sizes.count, 1)),
      labels: labels
    )
  }
}
