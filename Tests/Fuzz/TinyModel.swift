import Autograd
import Checkpoints
import Foundation
import ModelSupport
import Quantization
import Tensor
import Transformer

/// A model of one narrow block, written to a folder: seeds that are read as a whole.
struct TinyModel {
  var family: ModelFamily
  /// The width where nothing has to be packed by 32.
  var width = 8

  private var configuration: TransformerConfiguration {
    TransformerConfiguration(
      family: family,
      vocabularyCount: 8,
      hiddenWidth: width,
      feedForwardWidth: width,
      blockCount: 1,
      headCount: 2,
      contextLength: 8
    )
  }

  /// The model with random weights.
  func model() throws -> DecoderModel {
    let weights = InitialWeights(configuration, using: Philox(seed: 1))
    return try DecoderModel(configuration, weights: weights)
  }

  /// Writes the model; the path of its folder.
  func folder() throws -> String {
    let path = Scratch.folder + "/tiny-\(family.rawValue)-\(width)"
    try model().save(to: URL(filePath: path), replacing: true)
    _ = try PretrainedModel(at: URL(filePath: path))
    return path
  }

  /// Writes the model with packed layers in every format; the paths of the folders.
  func packedFolders() throws -> [String] {
    let own = try packed(self, "own", bits: 4, granularity: .inputGroups(8))
    let wide = TinyModel(family: family, width: 32)
    let source = try wide.packed(wide, "wide", bits: 4, granularity: .inputGroups(32))
    return try [own]
      + [(.gptq, "gptq"), (.awq, "awq"), (.compressedTensors, "ct")].map { format, name in
        try export(source, format, name)
      }
  }

  /// The model with packed blocks as a GGUF file; nil for a family that the format does not have.
  func ggufBytes() throws -> [UInt8]? {
    let wide = TinyModel(family: family, width: 32)
    guard let folder = try? wide.packed(wide, "gguf", bits: 4, granularity: .inputGroups(32)) else {
      return nil
    }
    let source = try PretrainedModel(at: URL(filePath: folder))
    guard let document = source.quantization, let plan = try? source.ggufPlan() else { return nil }
    let weights = try ModelQuantization(document: document, path: folder).weights(
      source.catalog,
      embeddings: source.configuration.embeddingLayers,
      dense: DenseWeights(source.catalog)
    )
    return try Scratch.bytes("seed.gguf") { path in
      try GGUFExporter(.automatic, stepSizes: .refused).run(
        source.catalog,
        plan: plan,
        packed: weights,
        to: path
      )
    }
  }

  private func packed(
    _ model: TinyModel,
    _ name: String,
    bits: Int,
    granularity: Granularity
  ) throws -> String {
    let source = try PretrainedModel(at: URL(filePath: model.folder()))
    let path = Scratch.folder + "/packed-" + name
    let scheme = try WeightScheme(grid: QuantizationGrid(bits: bits), granularity: granularity)
    try? FileManager.default.removeItem(atPath: path)
    try CheckpointQuantizer(QuantizationConfiguration(scheme: scheme))
      .run(source.catalog, plan: source.quantizationPlan, to: URL(filePath: path))
    return path
  }

  private func export(
    _ path: String,
    _ format: PackedFolderConfiguration.Format,
    _ name: String
  ) throws -> String {
    let source = try PretrainedModel(at: URL(filePath: path))
    guard let document = source.quantization else { stop("\(path) is not packed") }
    let target = Scratch.folder + "/packed-" + name
    try? FileManager.default.removeItem(atPath: target)
    try PackedFolderExporter(format, stepSizes: .refused).run(
      source.catalog,
      plan: source.quantizationPlan,
      shapes: Dictionary(
        source.configuration.tensors.map { ($0.name, $0.shape) },
        uniquingKeysWith: { first, _ in first }
      ),
      packed: ModelQuantization(document: document, path: path).weights(
        source.catalog,
        embeddings: source.configuration.embeddingLayers,
        dense: DenseWeights(source.catalog)
      ),
      to: URL(filePath: target)
    )
    return target
  }

  /// config.json, a byte 0, and the weights in their open form.
  static func bytes(ofFolder path: String) throws -> [UInt8] {
    .joining(
      try Data(contentsOf: URL(filePath: path + "/config.json")),
      try OpenSafetensors.input(
        [UInt8](try Data(contentsOf: URL(filePath: path + "/model.safetensors")))
      )
    )
  }
}
