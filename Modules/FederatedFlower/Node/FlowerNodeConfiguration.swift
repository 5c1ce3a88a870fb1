/// How a node behaves.
public struct FlowerNodeConfiguration: Sendable, Hashable {
  /// How nodes come into a federation.
  public enum Admission: Sendable, Hashable, Codable {
    /// The node registers itself, and unregisters when it leaves.
    case open
    /// The operator registers the public key: `flwr supernode register node.pub SUPERLINK`.
    case registered
  }

  /// How nodes come into the federation.
  public var admission: Admission
  /// The lease of the node: after two of them without a sign it counts as gone; 10 s to 1,800 s.
  public var heartbeatInterval: Duration
  /// The pause between two polls for work.
  public var pollInterval: Duration
  /// The longest pause between polls of a node that has had no work for some time.
  public var longestPollInterval: Duration
  /// How long a stopping node stays after its last reply, so that the strategy can fetch it.
  public var linger: Duration
  /// How often an object that the server does not have yet is asked for.
  public var objectAttempts: Int
  /// How many objects travel at once.
  public var parallelTransfers: Int
  /// When a call is tried again.
  public var retries: FlowerRetries
  /// How much is accepted.
  public var limits: FlowerLimits
  /// The file that remembers unfinished work across a restart; none when nil.
  public var journal: String?
  /// The seed of the jitter of pauses.
  public var seed: UInt64

  /// A configuration; the defaults are those of Flower's own node where it has them.
  public init(
    admission: Admission = .open,
    heartbeatInterval: Duration = .seconds(30),
    journal: String? = nil
  ) {
    self.admission = admission
    self.heartbeatInterval = heartbeatInterval
    self.journal = journal
    pollInterval = .seconds(3)
    longestPollInterval = .seconds(10)
    linger = .seconds(5)
    objectAttempts = 500
    parallelTransfers = 2
    retries = FlowerRetries()
    limits = FlowerLimits()
    seed = UInt64.random(in: .min ... .max)
  }
}

/// When a call that failed for now is made again.
public struct FlowerRetries: Sendable, Hashable {
  /// The pause after the first failure; it doubles with every further one.
  public var firstWait: Duration
  /// The longest pause.
  public var longestWait: Duration
  /// How long a call is tried; without end when nil.
  public var patience: Duration?
  /// How long a call is tried once the node is asked to stop.
  public var patienceWhileStopping: Duration

  /// Retries; the defaults are 1 s, 20 s, without end, and 10 s while stopping.
  public init(
    firstWait: Duration = .seconds(1),
    longestWait: Duration = .seconds(20),
    patience: Duration? = nil,
    patienceWhileStopping: Duration = .seconds(10)
  ) {
    self.firstWait = firstWait
    self.longestWait = longestWait
    self.patience = patience
    self.patienceWhileStopping = patienceWhileStopping
  }
}
