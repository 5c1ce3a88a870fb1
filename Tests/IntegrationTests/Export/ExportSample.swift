import Autograd
import Checkpoints
import Foundation
import ModelSupport
import Quantization
import Tensor
import TestSupport
import Testing
import Transformer

/// A small model of random weights for exports: any family, extents that formats can hold.
struct ExportSample {
  static let tokens: [Int32] = [1, 5, 9, 33, 2, 7, 100]

  var modelType = "llama"
  var isTied = true
  var hiddenWidth = 64

  private var document: JSONObject {
    [
      "model_type": .string(modelType), "vocab_size": 128,
      "hidden_size": .integer(Int64(hiddenWidth)), "intermediate_size": 256,
      "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
      "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
      "tie_word_embeddings": .bool(isTied), "hidden_act": "silu",
    ]
  }

  /// Writes the model in half precision and opens it.
  func write(to folder: String) throws -> PretrainedModel {
    let shape = try opened(folder, [:]) { $0.configuration }
    var generator = Philox(seed: 3)
    let items = shape.tensors.map { tensor in
      let noise = Tensor<Float>.normal(tensor.shape, using: &generator)
      let isNorm = tensor.name.contains("norm")
      let values = noise * (isNorm ? 0.01 : 0.1) + (isNorm ? 1 : 0)
      return SafetensorsItem(tensor.name, Tensor<Float16>(converting: values))
    }
    try SafetensorsFile.write(items, to: folder + "/model.safetensors")
    return try PretrainedModel(at: URL(filePath: folder))
  }

  private func opened<Result>(
    _ folder: String,
    _ tensors: [String: Tensor<Float>],
    _ body: (PretrainedModel) throws -> Result
  ) throws -> Result {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data(JSONValue.object(document).serialized().utf8)
      .write(to: URL(filePath: folder + "/config.json"))
    try SafetensorsFile.write(["none": Tensor<Float>.zeros([1])], to: folder + "/model.safetensors")
    return try body(PretrainedModel(at: URL(filePath: folder)))
  }
}

/// A model folder with packed layers, whatever tool's format they have.
struct PackedModel {
  let pretrained: PretrainedModel
  let weights: any QuantizedWeightSource

  /// Opens a folder.
  init(_ path: String) throws {
    pretrained = try PretrainedModel(at: URL(filePath: path))
    let document = try #require(pretrained.quantization)
    weights = try ModelQuantization(document: document, path: path).weights(
      pretrained.catalog,
      embeddings: pretrained.configuration.embeddingLayers,
      dense: DenseWeights(pretrained.catalog)
    )
  }

  /// Quantizes a model into a folder and opens that.
  init(
    _ source: PretrainedModel,
    _ scheme: WeightScheme,
    embedding: WeightScheme? = nil,
    to path: String
  ) throws {
    try CheckpointQuantizer(QuantizationConfiguration(scheme: scheme, embeddingScheme: embedding))
      .run(source.catalog, plan: source.quantizationPlan, to: URL(filePath: path))
    try self.init(path)
  }

  /// The logits of the sample's tokens.
  func logits(tokens: [Int32] = ExportSample.tokens) throws -> Tensor<Float> {
    let model = try DecoderModel(pretrained.configuration, weights: weights)
    return model(tokens, cache: model.makeCache())
  }

  /// Writes the model in a format of other tools.
  @discardableResult
  func export(
    _ format: PackedFolderConfiguration.Format,
    to path: String,
    stepSizes: StepSizeRounding = .refused
  ) throws -> ExportReport {
    let shapes = pretrained.configuration.tensors.map { ($0.name, $0.shape) }
    return try PackedFolderExporter(format, stepSizes: stepSizes).run(
      pretrained.catalog,
      plan: pretrained.quantizationPlan,
      shapes: Dictionary(uniqueKeysWithValues: shapes),
      packed: weights,
      to: URL(filePath: path)
    )
  }

  /// Writes the model as a GGUF file.
  @discardableResult
  func exportGGUF(
    _ storage: GGUFExporter.Storage = .automatic,
    to path: String,
    stepSizes: StepSizeRounding = .refused
  ) throws -> ExportReport {
    try GGUFExporter(storage, stepSizes: stepSizes).run(
      pretrained.catalog,
      plan: pretrained.ggufPlan(),
      packed: weights,
      to: path
    )
  }
}

extension WeightScheme {
  /// A scheme in few words.
  static func sample(
    _ bits: Int,
    symmetric: Bool = false,
    _ granularity: Granularity = .outputChannel,
    scales: ScaleType = .float16
  ) throws -> WeightScheme {
    try WeightScheme(
      grid: QuantizationGrid(bits: bits, isSymmetric: symmetric),
      granularity: granularity,
      scaleType: scales
    )
  }
}
