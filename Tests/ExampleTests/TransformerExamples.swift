import Autograd
import Foundation
import Tensor
import TestSupport
import Testing
import Transformer

/// The code of the page of the module Transformer.
@Suite struct TransformerExamples {
  @Test func textsAreWritten() async {
    await #expect(processExitsWith: .success) {
      await inFreshFolder {
        try TinyDecoder.write(to: "SmolLM2-135M-Instruct")
        let pretrained = try PretrainedModel(at: URL(filePath: "SmolLM2-135M-Instruct"))
        let model = try pretrained.makeModel()
        let tokenizer = try pretrained.requireTokenizer()
        let prompts = ["The capital of France is", "1, 2, 3,"].map { tokenizer.encode($0) }
        let options = GenerationOptions(maximumTokens: 24)
        var batch = TextBatch(model, tokenizer: tokenizer, prompts: prompts, options: options)
        while batch.next() != nil {}
        for text in batch.texts { print(text.text) }
        #expect(batch.texts.map(\.tokens.count) == [24, 24])
        #expect(batch.texts[0].tokens == Array(model.generate(after: prompts[0], options: options)))
      }
    }
  }

  @Test func normsStandWhereTheyAreToldTo() throws {
    var shape = TransformerConfiguration(
      vocabularyCount: 512,
      hiddenWidth: 64,
      feedForwardWidth: 96,
      blockCount: 2,
      headCount: 4,
      contextLength: 128
    )
    shape.placement = .peri
    let model = try DecoderModel(shape, weights: InitialWeights(shape, using: Philox(seed: 1)))
    let tokens = Tensor<Int32>([[1, 2, 3, 4], [5, 6, 7, 8]])
    let loss = model.loss(tokens[.all, ..<3], targets: tokens[.all, 1...])
    loss.backward()
    // As good as guessing at the start, and every parameter takes part.
    #expect(abs(loss.item - Float(512).logarithm) < 0.3)
    let names = model.namedParameters().map(\.name)
    #expect(names.count { $0.contains("in_norm") } == 4)
    #expect(names.count { $0.contains("out_norm") } == 4)
    #expect(model.parameters().allSatisfy { $0.gradient != nil })
  }

  /// Two pairs of a prompt and a response.
  private static let pairs = """
    {"prompt": "Once upon", "response": " a time"}
    {"prompt": "The dog", "response": " ran home"}

    """

  @Test func adaptersAreTrained() async {
    await #expect(processExitsWith: .success) {
      await inFreshFolder {
        try TinyDecoder.write(to: "SmolLM2-135M-Instruct")
        try Data(Self.pairs.utf8).write(to: URL(filePath: "alpaca.jsonl"))
        let pretrained = try PretrainedModel(at: URL(filePath: "SmolLM2-135M-Instruct"))
        let model = try pretrained.makeModel()
        var generator = Philox(seed: 1)
        let layers = ["q_proj", "v_proj"]
        try model.addLowRankAdapters(rank: 8, alpha: 16, to: layers, using: &generator)
        model.recomputesBlocks = true

        let format = try TuningFormat(pretrained, maximumLength: 1024)
        let examples = try TuningExamples(path: "alpaca.jsonl", format: format)
        let run = try FineTuning(
          at: "run",
          model: model,
          FineTuningOptions(),
          training: examples,
          identity: ["base": pretrained.path, "method": "LoRA"]
        )
        let report = try run.train()
        let folder = URL(filePath: "adapter")
        try LowRankAdapterFolder.write(model, baseModel: pretrained.path, to: folder)
        #expect(report.step == 1 && report.ending == .finished && examples.count == 2)
        let again = try pretrained.makeModel()
        #expect(try LowRankAdapterFolder.load(folder, into: again).count == 4)
        #expect(again.state() == model.state())
      }
    }
  }
}

extension Float {
  fileprivate var logarithm: Float { Tensor(scalar: self).log().item }
}
