import Autograd
import Checkpoints
import Foundation
import ModelSupport
import Quantization
import Tensor
import TestSupport
import Testing
import Transformer

/// Quantizes whole models into folders and reads them back.
@Suite struct QuantizedModelTests {
  static let models = ["llama", "llama-tied"]
  static let schemes: [(bits: Int, symmetric: Bool, granularity: Granularity)] = [
    (2, false, .inputGroups(8)), (3, true, .outputChannel), (4, false, .inputGroups(5)),
    (5, false, .outputChannel), (6, true, .tensor), (7, false, .tensor),
    (8, true, .inputGroups(16)), (1, false, .outputChannel), (4, false, .outputGroups(8)),
  ]

  func open(_ name: String) throws -> PretrainedModel {
    try PretrainedModel(at: URL(filePath: Fixtures.folder("transformer/models/" + name)))
  }

  func load(_ folder: URL) throws -> DecoderModel {
    let pretrained = try PretrainedModel(at: folder)
    let document = try #require(pretrained.quantization)
    let weights = QuantizedWeights(
      pretrained.catalog,
      configuration: try QuantizationConfiguration(document: document, path: pretrained.path),
      embeddings: pretrained.configuration.embeddingLayers,
      dense: DenseWeights(pretrained.catalog)
    )
    return try DecoderModel(pretrained.configuration, weights: weights)
  }

  @Test(arguments: models) func loadedModelsGiveTheSameBits(name: String) throws {
    let pretrained = try open(name)
    let tokens: [Int32] = [1, 5, 9, 33, 2, 7, 100]
    for item in Self.schemes {
      let scheme = try WeightScheme(
        grid: QuantizationGrid(bits: item.bits, isSymmetric: item.symmetric),
        granularity: item.granularity,
        range: .meanSquaredError
      )
      let embedding = try WeightScheme(
        grid: QuantizationGrid(bits: 8),
        granularity: .outputChannel
      )
      for embeddingScheme in [nil, embedding] {
        let configuration = QuantizationConfiguration(
          scheme: scheme,
          embeddingScheme: embeddingScheme
        )
        let direct = try DecoderModel(
          pretrained.configuration,
          weights: QuantizingWeights(
            base: DenseWeights(pretrained.catalog),
            configuration: configuration,
            embeddings: pretrained.configuration.embeddingLayers
          )
        )
        try withTemporaryFolder { temporary in
          let folder = URL(filePath: temporary + "/model")
          let report = try CheckpointQuantizer(configuration).run(
            pretrained.catalog,
            plan: pretrained.quantizationPlan,
            to: folder
          )
          let loaded = try load(folder)
          #expect(
            loaded(tokens, cache: loaded.makeCache()) == direct(tokens, cache: direct.makeCache())
          )
          // What the report says is what lies on the disk: all tensors, without the header.
          let file = try SafetensorsFile(path: temporary + "/model/model.safetensors")
          #expect(report.byteCount == file.entries.reduce(0) { $0 + $1.byteRange.count })
          #expect(report.parameterCount == pretrained.parameterCount)
        }
      }
    }
  }

  @Test func theSameInputGivesTheSameFile() throws {
    let pretrained = try open("llama-tied")
    let configuration = QuantizationConfiguration(
      scheme: try WeightScheme(grid: QuantizationGrid(bits: 4), granularity: .inputGroups(16))
    )
    try withTemporaryFolder { temporary in
      let files = try ["a", "b"].map { name in
        let folder = URL(filePath: temporary + "/" + name)
        try CheckpointQuantizer(configuration).run(
          pretrained.catalog,
          plan: pretrained.quantizationPlan,
          to: folder
        )
        return try Data(contentsOf: folder.appending(path: "model.safetensors"))
      }
      #expect(files[0] == files[1])
    }
  }

  @Test func stoppingLeavesNothing() throws {
    let pretrained = try open("llama-tied")
    let configuration = QuantizationConfiguration(
      scheme: try WeightScheme(grid: QuantizationGrid(bits: 4), granularity: .outputChannel)
    )
    try withTemporaryFolder { temporary in
      #expect(throws: QuantizationError.cancelled) {
        try CheckpointQuantizer(configuration).run(
          pretrained.catalog,
          plan: pretrained.quantizationPlan,
          to: URL(filePath: temporary + "/model")
        ) { $0.finished < 3 }
      }
      let left = try FileManager.default.contentsOfDirectory(atPath: temporary)
      #expect(left.isEmpty)
    }
  }

  @Test func takenPlacesAreRefusedAndReplacedOnDemand() throws {
    let pretrained = try open("llama-tied")
    let configuration = QuantizationConfiguration(
      scheme: try WeightScheme(grid: QuantizationGrid(bits: 4), granularity: .outputChannel)
    )
    let quantizer = CheckpointQuantizer(configuration)
    try withTemporaryFolder { temporary in
      let folder = URL(filePath: temporary + "/model")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try Data("keep me".utf8).write(to: folder.appending(path: "notes.txt"))
      #expect(throws: CheckpointError.self) {
        try quantizer.run(pretrained.catalog, plan: pretrained.quantizationPlan, to: folder)
      }
      let kept = try Data(contentsOf: folder.appending(path: "notes.txt"))
      #expect(kept == Data("keep me".utf8))
      try quantizer.run(
        pretrained.catalog,
        plan: pretrained.quantizationPlan,
        to: folder,
        replacing: true
      )
      let replaced = try PretrainedModel(at: folder)
      #expect(replaced.quantization != nil)
      let left = try FileManager.default.contentsOfDirectory(atPath: temporary)
      #expect(left == ["model"])
    }
  }

  @Test func unquantizedLoadingOfPackedModelsIsRefused() throws {
    let pretrained = try open("llama-tied")
    let configuration = QuantizationConfiguration(
      scheme: try WeightScheme(grid: QuantizationGrid(bits: 4), granularity: .outputChannel)
    )
    try withTemporaryFolder { temporary in
      let folder = URL(filePath: temporary + "/model")
      try CheckpointQuantizer(configuration).run(
        pretrained.catalog,
        plan: pretrained.quantizationPlan,
        to: folder
      )
      #expect(throws: ModelError.self) { try PretrainedModel(at: folder).makeModel() }
    }
  }
}

/// Quantizes layers when they are asked for: the model that never saw a disk.
struct QuantizingWeights: WeightSource {
  let base: DenseWeights
  let configuration: QuantizationConfiguration
  let embeddings: [String]

  func contains(_ name: String) -> Bool { base.contains(name) }

  func tensor(_ name: String, shape: Shape) throws -> Tensor<Float> {
    try base.tensor(name, shape: shape)
  }

  func linear(
    _ name: String,
    outputWidth: Int,
    inputWidth: Int,
    hasBias: Bool
  ) throws -> any LinearLayer {
    let dense = try base.linear(
      name,
      outputWidth: outputWidth,
      inputWidth: inputWidth,
      hasBias: hasBias
    )
    let embedding = configuration.embeddingScheme.map { LayerScheme.uniform($0) }
    guard let layer = dense as? FrozenLinear,
      let scheme = embeddings.contains(name) ? embedding : configuration.scheme
    else { return dense }
    let weight = layer.weight.floats()
    switch scheme {
    case .uniform(let scheme):
      let matrix = try RoundToNearest(scheme).quantize(weight, layer: name).matrix
      return PackedLinear(weight: matrix, bias: layer.bias)
    case .binary(let coding, let scaleType):
      // The weights that the codes stand for, so that a packed layer has something to equal.
      let values = try coding.quantize(weight).converted(to: scaleType).dequantized()
      return FrozenLinear(weight: .float32(values), bias: layer.bias)
    }
  }
}
