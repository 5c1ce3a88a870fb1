import Checkpoints
import Federated

/// What may not change while a federation lasts; its folder of state holds it.
///
/// Whatever else a coordinator is configured by may be another at each start: the number of rounds, when
/// they begin, what is measured, the limits of what devices may claim, and who may take part.
struct FederationSettings: Codable, Sendable {
  /// Of the folder's files.
  var version = 1
  var task: SharedTask
  var seed: UInt64
  var planning: SimulationConfiguration.Planning
  var training: LocalTrainingSettings
  var rounds: RoundSettings
  var aggregation: AggregationSettings

  init(_ task: SharedTask, _ configuration: CoordinatorConfiguration) {
    self.task = task
    seed = configuration.seed
    planning = configuration.planning
    training = configuration.training
    rounds = configuration.rounds
    aggregation = configuration.aggregation
  }

  /// The settings as a file holds them.
  ///
  /// - Throws: `ServiceError.settings` for numbers that JSON cannot hold.
  func json() throws(ServiceError) -> JSONValue {
    do { return try JSONValue.parse(ServiceJSON.encoded(self)) } catch {
      throw .settings("\(error)")
    }
  }

  /// Where settings differ from those that a file holds.
  static func differences(_ saved: JSONValue, _ given: JSONValue) -> [SettingDifference] {
    names(saved, given).flatMap { name -> [SettingDifference] in
      let (old, new) = (saved[name] ?? .null, given[name] ?? .null)
      guard groups.contains(name), old.objectValue != nil else {
        return [SettingDifference(name, old, new)].compactMap { $0 }
      }
      return names(old, new).compactMap {
        SettingDifference("\(name).\($0)", old[$0] ?? .null, new[$0] ?? .null)
      }
    }
  }

  /// The settings whose parts have names of their own.
  private static let groups: Set<String> = ["task", "training", "rounds", "aggregation"]

  private static func names(_ saved: JSONValue, _ given: JSONValue) -> [String] {
    let names = (saved.objectValue?.keys ?? []) + (given.objectValue?.keys ?? [])
    return Set(names).sorted()
  }
}

/// A setting with which a federation began, and another one that is given now.
public struct SettingDifference: Hashable, Sendable, CustomStringConvertible {
  /// The setting by its path, such as `training.learningRate`.
  public let name: String
  /// What the folder says, as JSON; `null` for nothing.
  public let saved: String
  /// What is given, as JSON; `null` for nothing.
  public let given: String

  /// The difference of two values; nil where they are the same.
  init?(_ name: String, _ saved: JSONValue, _ given: JSONValue) {
    if saved == given { return nil }
    self.name = name
    (self.saved, self.given) = (saved.serialized(), given.serialized())
  }

  /// Name and values, of which 60 characters are shown.
  public var description: String {
    "\(name) is \(Self.short(saved)) there, \(Self.short(given)) here"
  }

  private static func short(_ text: String) -> String {
    switch text {
    case "null": "none"
    case _ where text.count > 60: text.prefix(60) + "…"
    case _: text
    }
  }
}
