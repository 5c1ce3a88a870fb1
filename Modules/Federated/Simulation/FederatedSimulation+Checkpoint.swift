import Autograd

extension FederatedSimulation {
  /// Ends a round, with a checkpoint where there is a folder.
  func leave(_ folder: CheckpointFolder?) throws(SimulationError) {
    guard let folder else {
      return try rounding { () throws(RoundError) in try engine.continueWithoutCheckpoint() }
    }
    do {
      try engine.save(
        in: folder,
        values: [
          "configuration": configuration, "flights": flights, "clock": clock,
          "schedules": schedules, "task": TaskIdentity(of: task),
        ],
        tensors: Dictionary(
          uniqueKeysWithValues: residuals.map { ("\(Self.residualPrefix)\($0)", $1.dictionary) }
        )
      )
    } catch {
      throw .checkpoint("\(error)")
    }
  }

  private static var residualPrefix: String { "residual-" }

  /// Goes on from the newest checkpoint of a folder, if it has one.
  ///
  /// - Throws: `SimulationError.checkpoint` where it is of another run.
  func resume(from folder: CheckpointFolder) throws(SimulationError) {
    do {
      guard let saved = try folder.latest() else { return }
      var found = try saved.value("configuration", as: SimulationConfiguration.self)
      // More rounds of the same run may be asked for, under another name.
      found.roundCount = configuration.roundCount
      found.name = configuration.name
      var differences = SettingDifference.between(found, configuration)
      let identity = try saved.value("task", as: TaskIdentity.self)
      differences += SettingDifference.between(identity, TaskIdentity(of: task), at: "task")
      guard differences.isEmpty else {
        let list = differences.map { "\($0)" }.joined(separator: ", ")
        throw SimulationError.checkpoint(
          "\(saved.path) is of another run, which differs in \(list)"
        )
      }
      try engine.restore(saved)
      flights = try saved.value("flights", as: [Flight].self)
      clock = try saved.value("clock", as: Double.self)
      schedules = try saved.value("schedules", as: [PlanSchedule].self)
      residuals = [:]
      for group in saved.groupNames where group.hasPrefix(Self.residualPrefix) {
        guard let client = Int(group.dropFirst(Self.residualPrefix.count)) else { continue }
        let tensors = try saved.tensors(group)
        residuals[client] = ParameterSet(
          task.model.parameters.compactMap { parameter in
            tensors[parameter.name].map { (parameter.name, $0) }
          }
        )
      }
      folder.removeOldCheckpoints()
    } catch let error as SimulationError {
      throw error
    } catch {
      throw .checkpoint("\(error)")
    }
  }
}
