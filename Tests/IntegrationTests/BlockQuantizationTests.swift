import Autograd
import Foundation
import ModelSupport
import Quantization
import Tensor
import TestSupport
import Testing
import Transformer

/// Decoders quantized block by block, written, and read back.
@Suite struct BlockQuantizationTests {
  static let models = ["llama", "llama-tied"]

  func open(_ name: String) throws -> PretrainedModel {
    try PretrainedModel(at: URL(filePath: Fixtures.folder("transformer/models/" + name)))
  }

  func stack(_ pretrained: PretrainedModel) throws -> DecoderStack {
    try DecoderStack(pretrained.configuration, weights: DenseWeights(pretrained.catalog))
  }

  func samples(_ pretrained: PretrainedModel, count: Int = 6, length: Int = 12) -> Tensor<Int32> {
    var generator = Philox(seed: 3)
    let vocabulary = Int32(pretrained.configuration.vocabularyCount)
    return .integers([count, length], in: 0..<vocabulary, using: &generator)
  }

  /// Embedding, blocks and head of the stack are the model.
  @Test(arguments: models) func stackIsTheModel(name: String) throws {
    let pretrained = try open(name)
    let stack = try stack(pretrained)
    let samples = samples(pretrained)
    var states = stack.embedding(samples)
    for index in 0..<stack.blockCount {
      let block = try stack.block(index)
      states = withoutGradients { block(Variable(states)).value }
    }
    let found = withoutGradients { stack.head(Variable(states)).value }
    let model = try pretrained.makeModel()
    for sample in 0..<samples.shape[0] {
      let expected = model(samples[sample].elements, cache: model.makeCache())
      expectClose(found[sample].elements, expected.elements, relative: 1e-4, absolute: 1e-4)
    }
  }

  /// A method for each layout of what is written: groups of inputs, of outputs, static activations.
  static let cases: [(method: RoundingMethod, scheme: String)] = [
    (.gptq(GPTQ(order: .activation, groupGrids: .fixed)), "W4G8"),
    (.gptq(GPTQ(order: .activation, groupGrids: .fixed)), "W4IC8A8"), (.nearest, "W3IC8"),
    (.adaDim(.gptq()), "W3G8"),
    (.learned(.flexRound(), ReconstructionSettings(steps: 10)), "W4"),
    (.learned(.lrq(LRQ.Configuration(rank: .fixed(2))), ReconstructionSettings(steps: 10)), "W3"),
    (.nearest, "W8A8"), (.nearest, "W4A8KV8"),
  ]

  @Test(arguments: models, cases)
  func modelsOnDiskAreTheQuantizedBlocks(
    name: String,
    item: (method: RoundingMethod, scheme: String)
  ) throws {
    let pretrained = try open(name)
    let named = try NamedScheme(item.scheme)
    let samples = samples(pretrained)
    let settings = BlockQuantizerSettings(
      method: item.method,
      scheme: named.weights,
      activations: named.activations,
      smoothing: named.smoothing
    )
    try withTemporaryFolder { folder in
      let blocks = try BlockQuantizer(settings).run(
        stack(pretrained),
        samples: samples,
        in: folder + "/work"
      )
      #expect(blocks.layerNames == pretrained.configuration.blockLinearLayers)
      let target = URL(filePath: folder + "/model")
      let report = try CheckpointQuantizer(
        QuantizationConfiguration(
          method: item.method.name,
          scheme: named.weights,
          activations: named.activations,
          keyValueBits: named.keyValueBits
        )
      ).run(
        pretrained.catalog,
        plan: pretrained.quantizationPlan,
        blocks: blocks,
        to: target
      )
      #expect(report.layers.map(\.name) == blocks.layerNames)

      let written = try PretrainedModel(at: target)
      let document = try #require(written.quantization)
      let configuration = try QuantizationConfiguration(document: document, path: written.path)
      #expect(configuration.activations == named.activations)
      #expect(configuration.keyValueBits == named.keyValueBits)
      let model = try DecoderModel(
        written.configuration,
        weights: QuantizedWeights(
          written.catalog,
          configuration: configuration,
          embeddings: written.configuration.embeddingLayers,
          dense: DenseWeights(written.catalog)
        )
      )
      // The states that the model on disk has behind its last block are those whose error was reported.
      let reference = try pretrained.makeModel()
      var (found, expected): (Tensor<Float>?, Tensor<Float>?)
      let last = ModelSite.stream(depth: pretrained.configuration.blockCount)
      _ = model.states(samples) { site, value in if site == last { found = value.value } }
      _ = reference.states(samples) { site, value in if site == last { expected = value.value } }
      let (a, b) = (try #require(found), try #require(expected))
      let error = Double((a - b).square().mean())
      let reported = try #require(blocks.reports.last).meanSquaredError
      expectClose([error], [reported], relative: 1e-3)
      for layer in blocks.layerNames {
        let matrix = try #require(try blocks.matrix(layer))
        let packed = model.namedLinearLayers().compactMap { $0.layer as? PackedLinear }
        let same = try #require(packed.first { $0.weight.words == matrix.words })
        #expect(same.weight.dequantized() == matrix.dequantized())
      }
    }
  }

  /// Keys and values in 8 bits: nearly the same logits, a fraction of the memory.
  @Test(arguments: models) func cachesOfEightBitsAreCloseAndSmall(name: String) throws {
    let pretrained = try open(name)
    let model = try pretrained.makeModel()
    let tokens: [Int32] = [1, 5, 9, 33, 2, 7, 100, 4, 8, 3]
    let whole = model.makeCache()
    let expected = model(tokens, cache: whole)
    model.cachePrecision = .eightBits
    let coded = model.makeCache()
    let first = model(Array(tokens.prefix(4)), cache: coded)
    let rest = model(Array(tokens.suffix(6)), cache: coded)
    let found = Tensor.concatenating([first, rest])
    let scale = expected.abs().max()
    expectClose(found.elements, expected.elements, absolute: 0.02 * scale)
    #expect(found != expected)
    #expect(coded.count == 10 && coded.byteCount < whole.byteCount)
    // What was cut off is written again with the same bits.
    coded.truncate(to: 4)
    #expect(model(Array(tokens.suffix(6)), cache: coded) == rest)
  }

  @Test func comparedModelsHaveTheNumbersOfEach() throws {
    let pretrained = try open("llama")
    let (model, other) = (try pretrained.makeModel(), try pretrained.makeModel())
    other.cachePrecision = .eightBits
    var generator = Philox(seed: 5)
    let tokens = Tensor<Int32>.integers([50], in: 0..<60, using: &generator).elements
    let options = PerplexityOptions(window: 16)
    let result = try model.compared(with: [model, other], on: tokens, options: options)
    let alone = try model.perplexity(of: tokens, options: options)
    expectClose([result.reference.meanLoss], [alone.meanLoss], relative: 1e-6)
    #expect(result.models[0].klDivergence.magnitude < 1e-6)
    #expect(result.models[0].topAgreement == 1)
    #expect(result.models[1].klDivergence > 0)
    let second = try other.perplexity(of: tokens, options: options)
    expectClose([result.models[1].perplexity.meanLoss], [second.meanLoss], relative: 1e-6)
  }

  @Test func aReferenceReadsTheTextOnceForAllModels() throws {
    let pretrained = try open("llama")
    let (model, other) = (try pretrained.makeModel(), try pretrained.makeModel())
    other.cachePrecision = .eightBits
    var generator = Philox(seed: 5)
    let tokens = Tensor<Int32>.integers([50], in: 0..<60, using: &generator).elements
    let options = PerplexityOptions(window: 16)
    let both = try model.compared(with: [model, other], on: tokens, options: options)
    let count = both.reference.windowCount
    #expect(count > 2)
    // All windows are kept, two of them, or none.
    let window = (options.window - 1) * model.configuration.hiddenWidth * 4
    for (bytes, reads) in [(Int.max, count), (2 * window, 2 * count - 2), (0, 2 * count)] {
      let reading = try ReferenceReading(model, of: tokens, options: options, keptBytes: bytes)
      let (first, second) = (reading.compared(with: [model]), reading.compared(with: [other]))
      #expect(first.reference == both.reference && second.reference == both.reference)
      #expect(first.models + second.models == both.models)
      #expect(reading.readCount == reads)
    }
  }

  @Test(arguments: [
    "W", "4A16", "W4A4", "W9A16", "W0", "W4KV4", "W4G0", "W4A16G8", "", "W3IC0", "W3IC", "W3G8IC8",
    "W3IC8G8", "W3I8",
  ])
  func namesThatAreNoSchemes(name: String) {
    #expect(throws: QuantizationError.self) { try NamedScheme(name) }
  }

  @Test func schemesByName() throws {
    let w4 = try NamedScheme("w4a8kv8")
    #expect(w4.weights.grid.bits == 4 && w4.weights.granularity == .outputChannel)
    #expect(w4.activations?.sharing == .token && w4.keyValueBits == 8 && w4.smoothing == nil)
    let w8 = try NamedScheme("W8A8")
    #expect(w8.activations?.sharing == .tensor && w8.smoothing != nil && w8.keyValueBits == nil)
    for (name, bits) in [("W4A16", 4), ("W3A16", 3), ("W2A16", 2)] {
      let scheme = try NamedScheme(name)
      #expect(scheme.weights.grid.bits == bits && scheme.activations == nil)
    }
    #expect(try NamedScheme("W3G64").weights.granularity == .inputGroups(64))
    let columns = try NamedScheme("w3ic64a8kv8")
    #expect(columns.name == "W3IC64A8KV8" && columns.weights.granularity == .outputGroups(64))
    #expect(columns.activations?.sharing == .token && columns.keyValueBits == 8)
  }
}
