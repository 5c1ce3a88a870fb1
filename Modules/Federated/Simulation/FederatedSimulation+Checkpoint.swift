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
        values: ["configuration": configuration, "flights": flights, "clock": clock]
      )
    } catch {
      throw .checkpoint("\(error)")
    }
  }

  /// Goes on from the newest checkpoint of a folder, if it has one.
  ///
  /// - Throws: `SimulationError.checkpoint` where it is of another run.
  func resume(from folder: CheckpointFolder) throws(SimulationError) {
    do {
      guard let saved = try folder.latest() else { return }
      var found = try saved.value("configuration", as: SimulationConfiguration.self)
      // More rounds of the same run may be asked for.
      found.roundCount = configuration.roundCount
      guard found == configuration else {
        throw SimulationError.checkpoint("\(saved.path) is of another configuration")
      }
      try engine.restore(saved)
      flights = try saved.value("flights", as: [Flight].self)
      clock = try saved.value("clock", as: Double.self)
    } catch let error as SimulationError {
      throw error
    } catch {
      throw .checkpoint("\(error)")
    }
  }
}
