import Autograd
import Checkpoints
import Foundation
import ModelSupport
import Quantization
import Tensor
import TestSupport
import Testing
import Transformer

/// Several tasks write at once from one frozen base.
@Suite struct TasksInOneBatchTests {
  @Test func textsOfSeveralTasksAreWrittenInOneBatch() throws {
    let source = try QuantizedModelTests().open("llama-tied")
    let scheme = try WeightScheme(
      grid: QuantizationGrid(bits: 4),
      granularity: .inputGroups(8)
    )
    try withTemporaryFolder { folder in
      _ = try CheckpointQuantizer(QuantizationConfiguration(scheme: scheme)).run(
        source.catalog,
        plan: source.quantizationPlan,
        to: URL(filePath: folder + "/model")
      )
      let packed = try PackedModel(folder + "/model")
      let model = try DecoderModel(packed.pretrained.configuration, weights: packed.weights)
      try model.usePEQA { $0.hasPrefix("blocks.") }
      let layers = try ScaleTunedLayers(of: model)
      for (seed, task) in ["law", "medicine"].enumerated() {
        try layers.add(changed(layers.adapter(task: task), seed: UInt64(seed)))
      }
      let tasks: [String?] = ["law", nil, "medicine", "law"]
      let prompts: [[Int32]] = [[1, 7, 30, 12], [1, 7], [1, 7, 30, 12], [9, 4, 40]]
      var options = GenerationOptions(maximumTokens: 12)
      options.sampling.temperature = 0

      var alone: [[Int32?]] = []
      for (task, prompt) in zip(tasks, prompts) {
        try layers.activate(task)
        alone.append(Array(model.generate(after: [prompt], options: options)).map { $0[0] })
      }
      try layers.activate(nil)
      var batch = model.generate(after: prompts, options: options)
      batch.aroundPass = try layers.tasks(ofTexts: tasks)
      let together = Array(batch)
      for text in prompts.indices { #expect(together.map { $0[text] } == alone[text]) }
      #expect(alone[0] != alone[2], "the tasks write the same, so the test says nothing")
      #expect(throws: ScaleAdapterError.self) { _ = try layers.tasks(ofTexts: ["cooking"]) }
    }
  }

  /// The adapter with every scale changed by up to half of itself.
  private func changed(_ adapter: ScaleAdapter, seed: UInt64) -> ScaleAdapter {
    var (adapter, generator) = (adapter, Philox(seed: seed))
    for (name, scales) in adapter.scales.sorted(by: { $0.key < $1.key }) {
      let factors = Tensor<Float>.uniform(scales.shape, from: 0.5, to: 1.5, using: &generator)
      adapter.scales[name] = scales * factors
    }
    return adapter
  }
}
