/// Everything of a run that is no tensor: what a checkpoint keeps beside the model.
public struct RoundState: Codable, Hashable, Sendable {
  /// A task that was given out and has no result yet.
  public struct OpenTask: Codable, Hashable, Sendable {
    /// The task.
    public var task: RoundTask
    /// The last sign of life.
    public var lastSeen: Double
  }

  /// Where the round stands.
  public internal(set) var phase = RoundPhase.idle
  /// The round under way, or the next one.
  public internal(set) var round = 0
  /// How often it was begun before.
  public internal(set) var attempt = 0
  /// How many aggregates were applied.
  public internal(set) var modelVersion = 0
  /// The round whose model masks are made from.
  public internal(set) var maskRound = 0
  /// The seed of all draws.
  public let seed: UInt64
  /// How many tasks were given out.
  public internal(set) var taskCount = 0
  /// The tasks without a result, by number.
  public internal(set) var open: [Int: OpenTask] = [:]
  /// The checksums of the results that came in the last two rounds, by task; 0 where none was sent.
  public internal(set) var received: [Int: UInt64] = [:]
  /// The tasks of the last two rounds that were closed without a result.
  var expired: Set<Int> = []
  /// The first task of the last round: older results are forgotten.
  var oldestReceived = 0
  /// How many results the round waits for.
  public internal(set) var target = 0
  /// When this attempt at the round began.
  public internal(set) var start = 0.0
  /// When its first attempt began.
  var firstStart = 0.0
  /// The time of the last call.
  public internal(set) var now = 0.0
  /// The last loss of each device that told one.
  public internal(set) var losses: [Int: Double] = [:]
  /// For how many rounds in a row some entry has been covered by nobody.
  public internal(set) var roundsWithGaps = 0
  /// The norms of the last accepted updates.
  var norms = NormHistory()
  /// What rounds with noise have spent.
  var accountant = PrivacyAccountant()
  /// The tallies of the round under way.
  var tally = Tally()
  /// What happened in the rounds that are over.
  public internal(set) var reports: [RoundReport] = []

  /// The counts of a round.
  struct Tally: Codable, Hashable, Sendable {
    var selected = 0
    /// The share of the available devices that were asked.
    var samplingRate = 0.0
    var reported = 0
    var stale = 0
    var dropped = 0
    var lost = 0
    var rejections: [String] = []
    var downlinkBytes = 0
    var uplinkBytes = 0
    var lossSum = 0.0
    var lossWeight = 0.0
    var participants: [Int] = []
    /// Σ ω τ, for normalized steps.
    var stepSum = 0.0
    /// Σ ω.
    var weightSum = 0.0
  }

  init(seed: UInt64) { self.seed = seed }

  /// Forgets the results of an attempt that is repeated; what it cost stays counted.
  mutating func restartTally() {
    var next = Tally()
    next.selected = tally.selected
    next.dropped = tally.dropped
    next.lost = tally.lost
    next.rejections = tally.rejections
    next.downlinkBytes = tally.downlinkBytes
    next.uplinkBytes = tally.uplinkBytes
    tally = next
  }

  /// The deadline of the round under way; nil for open end.
  func deadline(_ settings: RoundSettings) -> Double? { settings.deadline.map { start + $0 } }
}
