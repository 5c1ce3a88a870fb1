import Tensor

extension SimulationConfiguration {
  /// The examples of each device.
  func partition(of task: any FederatedTask, seed: UInt64) throws(SimulationError) -> DataPartition
  {
    guard task.trainingCount >= deviceCount else {
      throw .configuration("\(task.trainingCount) examples for \(deviceCount) devices")
    }
    // No round has this number.
    var generator = Philox(seed: seed).fork(.max)
    do throws(PartitionError) {
      switch partition {
      case .even:
        let count = task.trainingCount
        return .even(exampleCount: count, clientCount: deviceCount, using: &generator)
      case .dirichlet(let alpha):
        let rule = DirichletPartition(
          alpha: alpha,
          clientCount: deviceCount,
          minimumCount: leastExamples
        )
        return try rule(labels: task.labels, using: &generator)
      case .shards(let count):
        return .shards(
          labels: task.labels,
          clientCount: deviceCount,
          shardsPerClient: count,
          using: &generator
        )
      case .quantity(let alpha):
        return try .quantitySkew(
          exampleCount: task.trainingCount,
          clientCount: deviceCount,
          alpha: alpha,
          minimumCount: leastExamples,
          using: &generator
        )
      }
    } catch {
      throw .configuration("\(error)")
    }
  }
}
