import Foundation
import Tensor
import TestSupport
import Testing
import Transformer

/// The code of the article "Porting a model".
@Suite struct PortingAModelExamples {
  @Test func aShapeOfItsOwnIsSavedAndRead() async {
    await #expect(processExitsWith: .success) {
      await inFreshFolder {
        var shape = TransformerConfiguration(
          family: .apus,
          vocabularyCount: 512,
          hiddenWidth: 64,
          feedForwardWidth: 96,
          blockCount: 2,
          headCount: 4,
          contextLength: 128
        )
        shape.placement = .peri  // y = x + Norm(F(Norm(x)))
        shape.queryKeyNorm = .perHead
        let model = try DecoderModel(shape, weights: InitialWeights(shape, using: Philox(seed: 1)))
        try model.save(to: URL(filePath: "own"))
        let again = try PretrainedModel(at: URL(filePath: "own")).makeModel()
        print(again.nextTokenLogits([1, 2, 3], cache: again.makeCache()).shape)  // [512]
        #expect(again.configuration == shape)
        let (found, expected) = (
          again.nextTokenLogits([1, 2, 3], cache: again.makeCache()),
          model.nextTokenLogits([1, 2, 3], cache: model.makeCache())
        )
        expectClose(found, expected, relative: 1e-5, absolute: 1e-5)
      }
    }
  }
}
