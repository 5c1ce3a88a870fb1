#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// A device that could take part in the next round.
public struct RoundCandidate: Sendable {
  /// The device.
  public var client: Int
  /// n_k.
  public var exampleCount: Int
  /// What the device would train.
  public var plan: DevicePlan
  /// The classes that it holds, for heads that are averaged class by class; nil for all.
  public var classes: Set<Int>?
  /// How many seconds it is expected to need; nil if unknown.
  public var expectedSeconds: Double?

  /// A candidate.
  public init(
    client: Int,
    exampleCount: Int,
    plan: DevicePlan = .full,
    classes: Set<Int>? = nil,
    expectedSeconds: Double? = nil
  ) {
    self.client = client
    self.exampleCount = exampleCount
    self.plan = plan
    self.classes = classes
    self.expectedSeconds = expectedSeconds
  }
}

/// What a device is asked to do: which model, cut how, until when.
public struct RoundTask: Codable, Hashable, Sendable {
  /// The number of the task, never used twice in a run.
  public let id: Int
  /// The round, from 0.
  public let round: Int
  /// How often the round was begun before.
  public let attempt: Int
  /// The device.
  public let client: Int
  /// n_k as registered: the largest number of examples that its result may claim.
  public let exampleCount: Int
  /// What the device trains of the model.
  public let plan: DevicePlan
  /// A checksum of the plan.
  public let planID: UInt64
  /// The number of the model that the device begins with.
  public let modelVersion: Int
  /// The round whose model masks are made from.
  public let maskRound: Int
  /// What compression draws from.
  public let seed: UInt64
  /// When the task was given out, in seconds.
  public let issued: Double
  /// When the round closes; nil for open end.
  public let deadline: Double?
  /// The classes that the device holds; nil for all.
  public let classes: Set<Int>?
}

/// What a device sends back.
public struct RoundResult: Sendable {
  /// The task.
  public var taskID: Int
  /// The round of the task.
  public var round: Int
  /// The checksum of the task's plan.
  public var planID: UInt64
  /// The model that the device began with.
  public var modelVersion: Int
  /// What changed, in the shapes of the device's model.
  public var update: ParameterUpdate
  /// The checksum that the device made of the update; nil where nothing lies between.
  public var checksum: UInt64?
  /// The bytes that the update took on its way.
  public var byteCount: Int

  /// The result of a task.
  public init(
    of task: RoundTask,
    update: ParameterUpdate,
    checksum: UInt64? = nil,
    byteCount: Int
  ) {
    taskID = task.id
    round = task.round
    planID = task.planID
    modelVersion = task.modelVersion
    self.update = update
    self.checksum = checksum
    self.byteCount = byteCount
  }
}

/// What became of a result.
public enum Reception: Hashable, Sendable {
  /// It counts in the open round.
  case accepted
  /// It counts, and began `staleness` models ago.
  case acceptedLate(staleness: Int)
  /// The same result was there before; nothing changed.
  case duplicate
  /// It came too late and was dropped.
  case dropped
  /// It was refused.
  case rejected(RoundError)
}

extension DevicePlan {
  /// A checksum of the plan's JSON: both sides of a network tell by it whether they mean the same.
  public var checksum: UInt64 {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    // FNV-1a. A plan holds numbers and names alone, so it always encodes.
    return ((try? encoder.encode(self)) ?? Data()).reduce(0xCBF2_9CE4_8422_2325) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01B3
    }
  }
}
