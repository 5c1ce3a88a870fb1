import Tensor

extension SimulationConfiguration {
  /// The examples of each device.
  func examples(of task: any FederatedTask, seed: UInt64) throws(SimulationError) -> [[Int32]] {
    var result = [[Int32]](repeating: [], count: deviceCount)
    for index in 0..<task.trainingCount { result[index % deviceCount].append(Int32(index)) }
    return result
  }
}
