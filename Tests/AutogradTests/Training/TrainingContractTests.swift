import Autograd
import Tensor
import Testing

/// A call of the training kit that breaks a contract, and what the message must say.
enum BrokenTrainingContract: String, CaseIterable, Codable {
  case unequalTensors, batchTooLarge, noExamples, positionOutside, otherDataset

  var message: String {
    switch self {
    case .unequalTensors: "tensor dataset: the leading extents must agree, [3×2] · [4]"
    case .batchTooLarge: "batch sampler: 3 examples make no batch of 4"
    case .noExamples: "batch sampler: 0 examples make no batch of 4"
    case .positionOutside: "batch sampler: epoch 0, batch 3 of 2"
    case .otherDataset: "batches: the sampler counts 3 examples, the dataset 4"
    }
  }

  func commit() {
    switch self {
    case .unequalTensors:
      _ = TensorDataset(Tensor<Float>.zeros([3, 2]), Tensor<Int32>.zeros([4]))
    case .batchTooLarge:
      _ = BatchSampler(count: 3, batchSize: 4, order: .sequential, dropsRemainder: true)
    case .noExamples: _ = BatchSampler(count: 0, batchSize: 4, order: .sequential)
    case .positionOutside:
      var sampler = BatchSampler(count: 3, batchSize: 2, order: .sequential)
      sampler.position = BatchPosition(epoch: 0, batch: 3)
    case .otherDataset:
      let sampler = BatchSampler(count: 3, batchSize: 2, order: .sequential)
      _ = Batches(of: TensorDataset(Tensor<Float>.zeros([4])), by: sampler)
    }
  }
}

@Suite struct TrainingContractTests {
  @Test(arguments: BrokenTrainingContract.allCases)
  func stopsWithAMessageThatSaysWhat(broken: BrokenTrainingContract) async throws {
    let result = try await #require(
      processExitsWith: .failure,
      observing: [\.standardErrorContent]
    ) { [broken = broken as BrokenTrainingContract] in
      broken.commit()
    }
    let text = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(text.contains(broken.message), "the message was: \(text)")
  }
}
