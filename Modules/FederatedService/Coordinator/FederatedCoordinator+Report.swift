public import Federated

extension FederatedCoordinator {
  /// The run so far, in the form of a simulation's report, so that the same pages show both.
  ///
  /// How labels lie among devices is not known here: those numbers are 0.
  ///
  /// - Parameter name: of the run.
  /// - Returns: devices, settings and rounds.
  public func report(name: String) -> SimulationReport {
    let (devices, rounds, model) = locked {
      ($0.registry.devices, $0.engine.state.reports, $0.engine.model.scalarCount)
    }
    var simulated = SimulationConfiguration()
    simulated.name = name
    simulated.deviceCount = max(devices.count, 1)
    simulated.planning = configuration.planning
    simulated.training = configuration.training
    simulated.rounds = configuration.rounds
    simulated.aggregation = configuration.aggregation
    simulated.roundCount = configuration.roundCount
    let examples = devices.reduce(0) { $0 + $1.registration.exampleCount }
    return SimulationReport(
      name: name,
      task: task.name,
      seed: configuration.seed,
      parameterCount: model,
      configuration: simulated,
      devices: FleetSummary(
        count: devices.count,
        classes: devices.reduce(into: [:]) { $0[$1.registration.deviceClass, default: 0] += 1 },
        meanExamples: Double(examples) / Double(max(devices.count, 1)),
        labels: DataPartition(clients: []).statistics(labels: [], classCount: 1)
      ),
      rounds: rounds,
      wallSeconds: rounds.last?.end ?? 0
    )
  }
}
