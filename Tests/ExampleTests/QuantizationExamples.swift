import Foundation
import Quantization
import Tensor
import TestSupport
import Testing
import Transformer

/// The code of the page of the module Quantization.
@Suite struct QuantizationExamples {
  private static func calibration() -> Tensor<Int32> {
    var generator = Philox(seed: 3)
    return .integers([6, 12], in: 0..<512, using: &generator)
  }

  @Test func aModelGoesBlockByBlock() async {
    await #expect(processExitsWith: .success) {
      await inFreshFolder {
        try TinyDecoder.write(to: "SmolLM2-135M")
        let calibration = Self.calibration()
        let source = try PretrainedModel(at: URL(filePath: "SmolLM2-135M"))
        let stack = try DecoderStack(source.configuration, weights: DenseWeights(source.catalog))
        let scheme = try WeightScheme(grid: QuantizationGrid(bits: 3), granularity: .outputChannel)
        let method = RoundingMethod.learned(.flexRound(), ReconstructionSettings(steps: 60))
        let settings = BlockQuantizerSettings(method: method, scheme: scheme)
        let blocks = try BlockQuantizer(settings).run(stack, samples: calibration, in: "work")
        for report in blocks.reports { print(report.block, report.relativeError) }
        let nearest = BlockQuantizerSettings(method: .nearest, scheme: scheme)
        let rounded = try BlockQuantizer(nearest).run(stack, samples: calibration, in: "nearest")
        #expect(blocks.reports.map(\.block) == [0, 1])
        // What the last block makes is nearer to the original's than with rounding to nearest.
        let (found, bound) = (blocks.reports[1].relativeError, rounded.reports[1].relativeError)
        #expect(found < bound, "\(found) · \(bound)")
      }
    }
  }

  @Test func weightsBecomeSigns() throws {
    try withTemporaryFolder { path in
      try TinyDecoder.write(to: path + "/model")
      let source = try PretrainedModel(at: URL(filePath: path + "/model"))
      let folder = URL(filePath: path + "/signs")
      let plan = try QuantizationPlan(
        tensorNames: source.configuration.tensorNames,
        linearLayers: source.configuration.blockLinearLayers,
        embeddingLayers: source.configuration.embeddingLayers,
        configurationDocument: source.configurationDocument,
        documents: source.documents
      )
      let coding = try BinaryCoding(planes: 3, groupSize: 64)  // w ≈ Σ αᵢ bᵢ, bᵢ = ±1
      let quantizer = CheckpointQuantizer(QuantizationConfiguration(binaryCoding: coding))
      let report = try quantizer.run(source.catalog, plan: plan, to: folder)
      #expect(report.layers.count == 14)
      #expect(try PretrainedModel(at: folder).quantization != nil)
    }
  }
}
