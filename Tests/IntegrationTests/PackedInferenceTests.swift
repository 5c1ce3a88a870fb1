import Autograd
import Checkpoints
import Foundation
import ModelSupport
import Quantization
import Tensor
import TestSupport
import Testing
import Transformer

/// Models that compute from their codes say what their weights say.
@Suite struct PackedInferenceTests {
  /// The largest ‖Δ‖ / ‖logits‖ that rounding inputs to 8 bits may bring in two blocks: each of the
  /// five inputs on the way errs by about half a percent.
  static let bound: Float = 0.03
  /// The same where inputs keep the precision of floats.
  static let exactBound: Float = 1e-4

  static let prompt: [Int32] = ExportSample.tokens

  /// ‖a − b‖ / ‖b‖.
  private func distance(_ a: Tensor<Float>, _ b: Tensor<Float>) -> Float {
    ((a - b).square().sum().item / b.square().sum().item).squareRoot()
  }

  /// The logits of a prompt at once and of the same tokens one by one.
  private func logits(_ model: DecoderModel) -> Tensor<Float> {
    let cache = model.makeCache()
    let single = Self.prompt.map { model.nextTokenLogits([$0], cache: cache) }
    return Tensor.concatenating(
      [model(Self.prompt, cache: model.makeCache())]
        + single.map { $0.reshaped(to: [1, $0.count]) }
    )
  }

  /// Opens the model at a path both ways and compares; its layers must compute from codes.
  private func check(_ path: String, bound: Float = bound) throws {
    let file = try ModelFile(path: path)
    let exact = logits(try file.makeModel())
    let model = try file.makeModel(.packed)
    let layers = model.namedLinearLayers().filter { $0.name.hasPrefix("blocks.") }
    #expect(layers.count == 14 && layers.allSatisfy { $0.layer is InterleavedLinear })
    let rounded = distance(logits(model), exact)
    #expect(rounded > 0 && rounded <= bound, "\(path): \(rounded)")
    let wide = try file.makeModel(.packed(tolerance: 0))
    #expect(distance(logits(wide), exact) <= Self.exactBound)
    #expect(model.head is InterleavedLinear == wide.head is InterleavedLinear)
  }

  static let schemes: [(bits: Int, isSymmetric: Bool, granularity: Granularity)] = [
    (2, false, .inputGroups(32)), (3, false, .inputGroups(32)), (3, true, .outputChannel),
    (4, false, .inputGroups(32)), (4, true, .inputGroups(64)), (4, false, .tensor),
    (5, false, .inputGroups(32)), (8, true, .outputChannel), (8, false, .inputGroups(64)),
    (4, false, .outputGroups(32)), (3, true, .outputGroups(16)), (1, false, .inputGroups(32)),
  ]

  @Test(arguments: schemes)
  func ownFoldersComputeFromCodes(
    bits: Int,
    isSymmetric: Bool,
    granularity: Granularity
  ) throws {
    try withTemporaryFolder { folder in
      let source = try ExportSample().write(to: folder + "/source")
      let scheme = try WeightScheme.sample(bits, symmetric: isSymmetric, granularity)
      _ = try PackedModel(source, scheme, embedding: .sample(8), to: folder + "/own")
      // All weights of one bit are as large as the largest: what cancels in their sums is rounded too.
      try check(folder + "/own", bound: bits == 1 ? 0.2 : Self.bound)
      let model = try ModelFile(path: folder + "/own").makeModel(.packed)
      #expect(model.head is InterleavedLinear && model.head === model.body.embedding)
    }
  }

  /// A model says how its cache is stored, and who opens it may say otherwise, either way.
  @Test func theCacheIsAsTheCallerSays() throws {
    try withTemporaryFolder { folder in
      _ = try ExportSample().write(to: folder + "/source")
      let source = try ModelFile(path: folder + "/source")
      let configuration = try QuantizationConfiguration(
        scheme: .sample(4, .inputGroups(32)),
        keyValueBits: 8
      )
      _ = try CheckpointQuantizer(configuration).run(
        source.pretrained.catalog,
        plan: source.plan,
        to: URL(filePath: folder + "/own")
      )
      let own = try ModelFile(path: folder + "/own")
      #expect(try source.makeModel().cachePrecision == .float)
      #expect(try source.makeModel(cache: .eightBits).cachePrecision == .eightBits)
      #expect(try own.makeModel(.packed).cachePrecision == .eightBits)
      #expect(try own.makeModel(.packed, cache: .float).cachePrecision == .float)
    }
  }

  @Test(arguments: [(1, nil), (3, 32), (2, 64)] as [(Int, Int?)])
  func binaryCodesComputeFromSigns(planes: Int, groupSize: Int?) throws {
    try withTemporaryFolder { folder in
      let source = try ExportSample().write(to: folder + "/source")
      let coding = try BinaryCoding(planes: planes, groupSize: groupSize)
      _ = try CheckpointQuantizer(QuantizationConfiguration(binaryCoding: coding)).run(
        source.catalog,
        plan: source.quantizationPlan,
        to: URL(filePath: folder + "/own")
      )
      try check(folder + "/own")
    }
  }

  @Test(
    arguments: [
      (.gptq, 4, .inputGroups(32)), (.gptq, 3, .inputGroups(32)), (.gptq, 8, .outputChannel),
      (.awq, 4, .inputGroups(32)), (.compressedTensors, 4, .inputGroups(32)),
      (.compressedTensors, 8, .outputChannel),
    ] as [(PackedFolderConfiguration.Format, Int, Granularity)]
  )
  func foldersOfOtherToolsComputeFromCodes(
    format: PackedFolderConfiguration.Format,
    bits: Int,
    granularity: Granularity
  ) throws {
    try withTemporaryFolder { folder in
      let source = try ExportSample(isTied: false).write(to: folder + "/source")
      let model = try PackedModel(source, .sample(bits, granularity), to: folder + "/own")
      try model.export(format, to: folder + "/other")
      try check(folder + "/other")
    }
  }

  @Test(arguments: [GGUFTensorType.q4_0, .q4_1, .q8_0])
  func filesComputeFromTheirBlocks(type: GGUFTensorType) throws {
    try withTemporaryFolder { folder in
      let source = try ExportSample(isTied: false).write(to: folder + "/source")
      _ = try GGUFExporter(.type(type)).run(
        source.catalog,
        plan: source.ggufPlan(),
        packed: nil,
        to: folder + "/model.gguf"
      )
      try check(folder + "/model.gguf")
      let model = try ModelFile(path: folder + "/model.gguf").makeModel(.packed)
      #expect(model.head is InterleavedLinear && model.body.embedding is InterleavedLinear)
    }
  }

  @Test func adaptersOfScalesComputeFromCodes() throws {
    try withTemporaryFolder { folder in
      let source = try ExportSample().write(to: folder + "/source")
      _ = try PackedModel(source, .sample(4, .inputGroups(32)), to: folder + "/own")
      let file = try ModelFile(path: folder + "/own")
      let tuned = try file.makeModel()
      try tuned.usePEQA { $0.hasPrefix("blocks.") }
      let names = file.layerNames
      let layers = try ScaleTunedLayers(of: tuned) { names[$0] ?? $0 }
      var (adapter, generator) = (layers.adapter(task: "law"), Philox(seed: 4))
      for (name, scales) in adapter.scales.sorted(by: { $0.key < $1.key }) {
        adapter.scales[name] =
          scales * Tensor<Float>.uniform(scales.shape, from: 0.5, to: 1.5, using: &generator)
      }
      try adapter.write(to: folder + "/law")
      try layers.load(adapter)
      let expected = logits(tuned)
      let task = try TaskFile(path: folder + "/law")
      #expect(logits(try file.makeModel(.exact, adapter: task)) == expected)
      let found = logits(try file.makeModel(.packed, adapter: task))
      #expect(distance(found, expected) <= Self.bound)
      #expect(distance(logits(try file.makeModel()), expected) > 0.1, "the task changes nothing")
      let error = #expect(throws: (any Error).self) {
        _ = try ModelFile(path: folder + "/source").makeModel(.packed, adapter: task)
      }
      #expect("\(try #require(error))".contains("is in floating point"))
    }
  }

  // MARK: - A token's rows at once

  /// A fixture's model with the layers of its blocks in 4 bits a row, interleaved.
  private func interleaved(_ name: String) throws -> DecoderModel {
    let path = Fixtures.folder("transformer/models/" + name)
    let source = try PretrainedModel(at: URL(filePath: path))
    let weights = NearestWeights(
      DenseWeights(source.catalog),
      scheme: try .sample(4),
      layers: source.configuration.blockLinearLayers
    )
    return try DecoderModel(source.configuration, weights: InterleavedWeights(weights))
  }

  /// The states of two sequences side by side, each growing by a token a pass behind its prompt.
  private func states(
    _ model: DecoderModel,
    _ precision: KeyValueCache.Precision,
    observe: ModelObserver?
  ) -> [Tensor<Float>] {
    model.cachePrecision = precision
    let caches = [model.makeCache(), model.makeCache()]
    let steps: [[[Int32]]] = [
      [[1, 5, 9, 33, 2], [7, 3]], [[11], [3]], [[2], [6]], [[9], [9]],
    ]
    return steps.map { step in
      model.hiddenStates(zip(step, caches).map { (tokens: $0, cache: $1) }, observe: observe)
    }
  }

  @Test(arguments: ["llama", "llama-tied", "qwen2", "qwen3", "gemma2", "gemma3_text", "olmo2"])
  func blocksAtOnceGiveTheBitsOfTheirLayers(name: String) throws {
    let model = try interleaved(name)
    // Norms of whole projections are not the kernel's: that model takes the way of all layers.
    #expect(model.body.blocks.allSatisfy { ($0.decodingKernel() == nil) == (name == "olmo2") })
    var seen = 0
    let apart = states(model, .float) { _, _ in seen += 1 }
    #expect(seen > 0)
    let atOnce = states(model, .float, observe: nil)
    #expect(atOnce == apart)
    #expect(atOnce.allSatisfy { $0.elements.allSatisfy(\.isFinite) })
    // The same for caches of codes.
    let coded = states(model, .eightBits, observe: nil)
    #expect(coded == states(model, .eightBits) { _, _ in })
    #expect(coded != atOnce)
  }

  @Test func aReplacedLayerIsUsed() throws {
    let model = try interleaved("llama")
    let before = states(model, .float, observe: nil)
    let layer = try #require(model.layer(at: "blocks.1.feedForward.down"))
    let zeros = Tensor<Float>.zeros([layer.outputWidth, layer.inputWidth])
    try model.replaceLayer(
      at: "blocks.1.feedForward.down",
      with: FrozenLinear(weight: .float32(zeros))
    )
    #expect(model.body.blocks[1].decodingKernel() == nil)
    let after = states(model, .float, observe: nil)
    #expect(after != before && after == states(model, .float) { _, _ in })
  }

  @Test func aPlanIsMadeOnce() throws {
    let model = try interleaved("llama")
    let block = model.body.blocks[0]
    let kernel = try #require(block.decodingKernel())
    #expect(block.decodingKernel() === kernel)
    // Another tolerance, and other numbers in a norm.
    let layer = try #require(block.attention.query as? InterleavedLinear)
    layer.tolerance = 0.5
    #expect(block.decodingKernel() == nil)
    layer.tolerance = kernel.tolerance
    let again = try #require(block.decodingKernel())
    let norm = try #require(block.attentionNorms.input as? RMSNorm)
    let weight = try #require(norm.weight)
    weight.value = weight.value * 2
    let changed = try #require(block.decodingKernel())
    #expect(changed !== again)
    #expect(block.decodingKernel() === changed)
  }

  // MARK: - A released model

  @Test(.enabled(if: RealModel.smollm2.isPresent, RealModel.skipMessage))
  func memoryIsThatOfWhatWeightsBecome() throws {
    let file = try ModelFile(path: RealModel.smollm2.path)
    #expect(file.byteCount(as: .packed) == file.byteCount)
    let floats = 4 * file.parameterCount
    #expect(abs(file.byteCount(as: .exact) - floats) < floats / 1000)
  }

  @Test(
    .enabled(if: RealModel.smollm2.isPresent, RealModel.skipMessage),
    .enabled(if: DataFolder.has(RealModel.text)),
    .timeLimit(.minutes(10))
  )
  func aReleasedModelLosesNothing() throws {
    let file = try ModelFile(path: RealModel.smollm2.path)
    let (exact, packed) = (try file.makeModel(), try file.makeModel(.packed))
    #expect(packed.head is InterleavedLinear)
    let data = try Data(contentsOf: URL(filePath: DataFolder.path(RealModel.text)))
    let text = String(String(decoding: data, as: UTF8.self).prefix(10_000))
    let report = try exact.compared(
      with: [packed],
      on: try file.tokens(of: text),
      options: PerplexityOptions(window: 512, maximumWindows: 4)
    )
    let model = try #require(report.models.first)
    let ratio = model.perplexity.perplexity / report.reference.perplexity
    #expect(abs(ratio - 1) < 0.005, "\(ratio)")
    #expect(model.klDivergence < 0.005 && model.topAgreement > 0.95)
  }
}
