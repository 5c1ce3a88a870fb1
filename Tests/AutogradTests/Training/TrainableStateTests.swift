import Autograd
import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct TrainableStateTests {
  private final class Pair: Module {
    let kept = Parameter(Tensor([1, 2], shape: [2]), isTrainable: false)
    let trained = Parameter(Tensor([3], shape: [1]))
    let buffer = Buffer(Tensor([4], shape: [1]))
  }

  @Test func onlyWhatIsTrainedIsInTheState() throws {
    let pair = Pair()
    #expect(pair.state(of: .trainable).keys.sorted() == ["buffer", "trained"])
    #expect(pair.state(of: .all) == pair.state())
    try pair.load(["trained": Tensor([5], shape: [1]), "buffer": .zeros([1])], of: .trainable)
    #expect(pair.trained.value.elements == [5] && pair.kept.value.elements == [1, 2])
  }

  @Test func aStateOfOtherParametersDoesNotFit() {
    let pair = Pair()
    #expect(throws: ModuleError.self) {
      try pair.load(["buffer": .zeros([1])], of: .trainable)
    }
    #expect(throws: ModuleError.self) { try pair.load(pair.state(), of: .trainable) }
  }

  /// One number that is to become the mean of what it sees.
  private final class Mean: Module {
    let mean = Parameter(Tensor([0], shape: [1]))

    func loss(_ values: Tensor<Float>) -> Variable {
      let difference = mean.variable - Variable(values)
      return (difference * difference).mean()
    }
  }

  /// ∂/∂m mean((m − x)²) = 2 (m − x̄): with rate ½ one step goes to the mean itself.
  @Test func batchesCountByTheirWeights() throws {
    let values: [Float] = [1, 2, 3, 10, 20]
    for (isWeighted, expected) in [(true, Float(36) / 5), (false, (2 + 15) / Float(2))] {
      try withTemporaryFolder { folder in
        let model = Mean()
        var options = TrainingOptions(seed: 0, steps: 1)
        options.accumulation = 2
        let run = TrainingRun(
          at: folder,
          model: model,
          optimizer: SGD(model, learningRate: 0.5),
          options: options
        )
        let batches = TensorDataset(Tensor(values)).batches(of: 3, order: .sequential, epochs: 1)
        let weight: ((Tensor<Float>) -> Double)? = isWeighted ? { Double($0.count) } : nil
        let report = try run.train(on: batches, weighting: weight) { batch, step in
          step.count("values", batch.count)
          return model.loss(batch)
        }
        expectClose(model.mean.value.elements, [expected], relative: 1e-6)
        #expect(report.metrics["values"] == 5)
      }
    }
  }
}
