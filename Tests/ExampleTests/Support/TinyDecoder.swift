import Foundation
import Tensor
import TestSupport
import Transformer

/// A LLaMA of random weights in a folder, with the tokenizer of the fixtures.
enum TinyDecoder {
  /// Writes the folder, and returns the shape of the model.
  @discardableResult
  static func write(to path: String, seed: UInt64 = 7) throws -> TransformerConfiguration {
    let shape = TransformerConfiguration(
      vocabularyCount: 512,
      hiddenWidth: 32,
      feedForwardWidth: 48,
      blockCount: 2,
      headCount: 4,
      keyHeadCount: 2,
      contextLength: 128
    )
    let source = Fixtures.folder("models/stories260k")
    let documents = try ["tokenizer.json", "tokenizer_config.json"].map { name in
      (name, try Data(contentsOf: URL(filePath: source + "/" + name)))
    }
    let weights = InitialWeights(
      shape,
      deviation: InitialDeviation(matrices: 0.3),
      using: Philox(seed: seed)
    )
    try DecoderModel(shape, weights: weights).save(
      to: URL(filePath: path),
      documents: Dictionary(uniqueKeysWithValues: documents)
    )
    return shape
  }
}
