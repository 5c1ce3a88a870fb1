import Foundation
import Tensor
import TestSupport
import Testing
import Transformer

@Suite struct SentenceEncoderTests {
  private func withEncoder(_ body: (SentenceEncoder) throws -> Void) throws {
    try withTemporaryFolder { folder in
      try TinyEncoder.write(to: folder + "/bert")
      try body(SentenceEncoder(PretrainedModel(at: URL(filePath: folder + "/bert"))))
    }
  }

  private let texts = [
    "the quick brown fox jumps over the lazy dog", "a", "it is so", "the dog is a fox and it jumps",
    "so",
  ]

  @Test func rowsAreInTheOrderOfTheTextsWhateverTheBatch() throws {
    try withEncoder { encoder in
      let alone = texts.map { encoder.model.sentenceEmbeddings([encoder.ids(of: $0).ids])[0] }
      for batchSize in [1, 2, 32] {
        var done: [Int] = []
        let found = encoder(texts, batchSize: batchSize) {
          done.append($0)
          return true
        }
        #expect(found.vectors.shape == [5, TinyEncoder.width] && found.cutTexts.isEmpty)
        #expect(done.last == 5)
        // Sums over padded rows have another order.
        for row in texts.indices {
          expectClose(
            found.vectors[row].elements,
            alone[row].elements,
            relative: 1e-5,
            absolute: 1e-5
          )
        }
      }
      let squares = encoder(texts).vectors.square().sum(axes: [1])
      expectClose(squares.elements, [Float](repeating: 1, count: 5), relative: 1e-5, absolute: 0)
    }
  }

  @Test func longTextsKeepTheirLastToken() throws {
    try withEncoder { encoder in
      let long = String(repeating: "the fox ", count: 80)
      let (ids, isCut) = encoder.ids(of: long)
      let whole = encoder.tokenizer.encode(long)
      #expect(isCut && ids.count == TinyEncoder.contextLength)
      #expect(ids.last == whole.last && ids.dropLast() == whole.prefix(ids.count - 1))
      #expect(encoder(["a", long, "so"]).cutTexts == [1])
      #expect(encoder([]).vectors.shape == [0, TinyEncoder.width])
    }
  }

  @Test func workThatIsStoppedLeavesTheLongestTextsOut() throws {
    try withEncoder { encoder in
      let found = encoder(texts, batchSize: 2) { $0 < 4 }
      let squares = found.vectors.square().sum(axes: [1]).elements
      #expect(squares.enumerated().filter { $0.element == 0 }.map(\.offset).count == 1)
    }
  }
}
