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
}
