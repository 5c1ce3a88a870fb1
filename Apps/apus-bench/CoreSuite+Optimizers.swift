import Autograd
import Checkpoints
import Tensor

// MARK: - Optimizers

extension CoreSuite {
  /// Steps on one parameter: as many elements as the second-level cache holds, and as none does.
  func measureOptimizers() throws {
    for (count, name) in [(1 << 15, "32 Ki"), (1 << 24, "16 Mi")] {
      run.startGroup("optimizers, \(name) elements")
      func measure(
        _ name: String,
        _ key: String?,
        arrays: Int,
        _ make: ([ParameterGroup]) -> any TrainingOptimizer
      ) throws {
        let parameter = Parameter(random([count]))
        parameter.gradient = random([count])
        let optimizer = make([ParameterGroup([parameter])])
        // What a step reads and writes.
        let bytes = Double(4 * arrays * count)
        try run.measure(
          BenchCase(
            name: name,
            metric: .bytes(bytes),
            bound: count > 1 << 20 ? .memory(bytes) : .unknown,
            peer: key.map {
              ["kind": "optimizer", "name": .string($0), "count": .integer(Int64(count))]
            },
            call: optimizer.step
          )
        )
      }
      try measure("AdamW", "adamw", arrays: 7) { AdamW($0, learningRate: 1e-5) }
      try measure("SGD, momentum", "sgd", arrays: 5) {
        SGD($0, learningRate: 1e-5, momentum: .heavyBall(0.9))
      }
      try measure("Lion", nil, arrays: 5) { Lion($0, learningRate: 1e-5) }
    }
  }
}
