public import Federated

/// What a device says of itself, once and after every start.
public struct Registration: Codable, Hashable, Sendable {
  /// The device's public key, base64 of the 32 bytes of Ed25519.
  public var publicKey: String
  /// What it learns; the server refuses a device that learns something else.
  public var task: SharedTask
  /// What it can do.
  public var profile: DeviceProfile
  /// The class it belongs to, for reports.
  public var deviceClass: String
  /// n_k, as the device says; results count with no more than the coordinator's limit.
  public var exampleCount: Int
  /// The classes that it holds; nil for all.
  public var classes: Set<Int>?

  /// A registration.
  public init(
    publicKey: String,
    task: SharedTask,
    profile: DeviceProfile,
    deviceClass: String,
    exampleCount: Int,
    classes: Set<Int>? = nil
  ) {
    self.publicKey = publicKey
    self.task = task
    self.profile = profile
    self.deviceClass = deviceClass
    self.exampleCount = exampleCount
    self.classes = classes
  }

  /// What is out of range, in words; nil when the registration can be used.
  var fault: String? {
    if deviceClass.isEmpty || deviceClass.utf8.count > 32 {
      return "a device class of \(deviceClass.utf8.count) bytes, 1 to 32 are allowed"
    }
    if deviceClass != deviceClass.onOneLine { return "a device class with control characters" }
    if let fault = task.fault { return fault }
    if !(1...1_000_000_000).contains(exampleCount) { return "\(exampleCount) examples" }
    if profile.memoryBytes < 1 { return "a memory of \(profile.memoryBytes) bytes" }
    let rates = [
      profile.flopsPerSecond, profile.uplinkBytesPerSecond, profile.downlinkBytesPerSecond,
    ]
    if !rates.allSatisfy({ $0.isFinite && $0 > 0 }) { return "speeds that are not above 0" }
    if let classes, classes.isEmpty || classes.contains(where: { $0 < 0 }) {
      return "classes that are none"
    }
    return nil
  }
}

/// What a device asks for work with.
public struct TaskCall: Codable, Hashable, Sendable {
  /// How many seconds the answer may wait for work, at most 30.
  public var waitSeconds: Double

  /// A call.
  public init(waitSeconds: Double = 20) { self.waitSeconds = waitSeconds }
}

/// What a device is told to do.
public struct TaskMessage: Codable, Hashable, Sendable {
  /// The task.
  public var task: RoundTask
  /// How the device trains.
  public var training: LocalTrainingSettings
  /// It shows itself at least every so many seconds.
  public var heartbeatSeconds: Double
  /// When the round closes, in seconds from now; nil for open end.
  public var secondsLeft: Double?
  /// The bytes of the model that comes with it.
  public var modelByteCount: Int
}

/// The answer to a call for work.
public enum TaskAnswer: Codable, Hashable, Sendable {
  /// Work.
  case task(TaskMessage)
  /// Nothing to do; ask again after so many seconds.
  case wait(seconds: Double)
  /// The federation has ended.
  case finished
}

/// The numbers that come with an update.
public struct ResultMessage: Codable, Hashable, Sendable {
  /// The round of the task.
  public var round: Int
  /// The checksum of the task's plan.
  public var planID: UInt64
  /// The model that the device began with.
  public var modelVersion: Int
  /// The checksum of the update, as the server will unpack it.
  public var checksum: UInt64
  /// n_k, how many examples were trained on: at most as many as the task says.
  public var exampleCount: Int
  /// τ_k, how many steps were made.
  public var stepCount: Int
  /// The mean loss of the training; nil if unknown.
  public var loss: Double?
}

/// What became of a result.
public struct ResultAnswer: Codable, Hashable, Sendable {
  /// The outcomes that are no error.
  public enum Outcome: String, Codable, Hashable, Sendable {
    /// It counts.
    case accepted
    /// It was there before; nothing changed.
    case duplicate
  }

  /// The outcome.
  public var outcome: Outcome
}

/// Why a device gives a task back.
public struct FailureMessage: Codable, Hashable, Sendable {
  /// The kinds that the server's planner treats differently.
  public enum Kind: String, Codable, Hashable, Sendable {
    /// The memory did not suffice.
    case outOfMemory
    /// Anything else.
    case other
  }

  /// The kind.
  public var kind: Kind
  /// The reason in words, at most 500 bytes of it are kept.
  public var reason: String
}

/// Where a federation stands: what anybody may know.
public struct ServiceStatus: Codable, Hashable, Sendable {
  /// The task's name.
  public var task: String
  /// The round under way, from 0.
  public var round: Int
  /// How many rounds there will be.
  public var roundCount: Int
  /// Where the round stands.
  public var phase: RoundPhase
  /// How many aggregates were applied.
  public var modelVersion: Int
  /// How many devices have registered.
  public var registered: Int
  /// How many of them were seen within a lease.
  public var available: Int
  /// Results of the round that count so far.
  public var reported: Int
  /// The last accuracy on the test set; nil before the first.
  public var accuracy: Double?
}

/// How the service says no: an object with a code for programs and a message for people.
public struct ErrorMessage: Codable, Hashable, Sendable {
  /// What went wrong.
  public struct Problem: Error, Codable, Hashable, Sendable {
    /// A word for programs, such as `clock_skew`.
    public var code: String
    /// A sentence for people.
    public var message: String
  }

  /// What went wrong.
  public var error: Problem
}
