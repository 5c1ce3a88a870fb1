import Autograd
public import Checkpoints
public import Foundation
import Tensor

/// A model on disk: its configuration, its tokenizer and its tensors, opened but not yet read.
///
/// Opens a Hugging Face folder (config.json, safetensors, tokenizer.json) or a GGUF file:
///
///     let pretrained = try PretrainedModel(at: URL(filePath: "SmolLM2-135M-Instruct"))
///     let model = try pretrained.makeModel()
///     let tokenizer = try pretrained.requireTokenizer()
///     let prompt = tokenizer.encode("The capital of France is")
///     for token in model.generate(after: prompt, options: GenerationOptions()) { … }
///
/// Weights are memory-mapped: opening takes milliseconds, and the file is the only copy.
public struct PretrainedModel {
  /// How a model lies on disk.
  public enum Format: String, Codable, Sendable {
    /// A Hugging Face folder.
    case huggingFace = "Hugging Face"
    /// A GGUF file.
    case gguf = "GGUF"
  }

  /// The folder or file.
  public let path: String
  /// How the model lies there.
  public let format: Format
  /// The family, as `model_type` names it.
  public var family: ModelFamily { configuration.family }
  /// The shape of the model.
  public let configuration: TransformerConfiguration
  /// The tokenizer; nil if the model has none.
  public let tokenizer: Tokenizer?
  /// The tensors under the names of the family.
  public let catalog: any TensorCatalog
  /// The ids that end a text: the end-of-sequence ids and the ends of chat turns.
  public let stopTokens: Set<Int32>
  /// How the model's makers sample from it.
  public let sampling: SamplingOptions
  /// The object under `quantization_config` in config.json; nil for a model in floating point.
  public let quantization: JSONObject?
  /// The documents beside the tensors that a copy of this model needs, by file name; config.json is
  /// not among them, see `configurationDocument`.
  ///
  /// The tokenizer.json of a GGUF file is made of its metadata when it is first asked for.
  ///
  /// - Throws: `TokenizerError` for a vocabulary that tokenizer.json has no words for.
  public var documents: [String: Data] { get throws { try storedDocuments.get() } }
  /// The object in config.json (for GGUF: the one that says the same).
  public let configurationDocument: JSONObject
  /// The keys of the GGUF file that the model came from.
  let fileMetadata: GGUFMetadata?
  let storedDocuments: PretrainedDocuments

  /// Opens the model at `url`.
  ///
  /// - Throws: `ModelError`, `CheckpointError` or `TokenizerError`, with file and reason.
  public init(at url: URL) throws {
    var isFolder: ObjCBool = false
    let path = url.path(percentEncoded: false)
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw ModelError.notAModel(path: path, reason: "no such file or folder")
    }
    self = isFolder.boolValue ? try Self(folder: url) : try Self(gguf: url)
  }

  /// The decoder with its weights in floating point.
  ///
  /// - Parameter isTrainable: whether the weights are parameters, in memory and as floats; else they
  ///   stay in the file.
  /// - Returns: the model.
  /// - Throws: `CheckpointError` if a tensor is missing or shaped otherwise; `ModelError` if the
  ///   weights are quantized (the Quantization module reads those) or the model is an encoder.
  public func makeModel(isTrainable: Bool = false) throws -> DecoderModel {
    try DecoderModel(configuration, weights: weights(isCausal: true, isTrainable))
  }

  /// The encoder with its weights in floating point.
  ///
  /// - Parameter isTrainable: whether the weights are parameters, in memory and as floats; else they
  ///   stay in the file.
  /// - Returns: the model.
  /// - Throws: as `makeModel`, for a model that is a decoder.
  public func makeEncoder(isTrainable: Bool = false) throws -> EncoderModel {
    try EncoderModel(configuration, weights: weights(isCausal: false, isTrainable))
  }

  private func weights(isCausal: Bool, _ isTrainable: Bool) throws -> any WeightSource {
    try require(isCausal: isCausal)
    guard quantization == nil else {
      throw ModelError.invalidConfiguration(
        path: path,
        key: "quantization_config",
        reason: "is present: build the model with Quantization's QuantizedWeights"
      )
    }
    return isTrainable ? TrainableWeights(catalog) : DenseWeights(catalog)
  }

  /// Refuses an encoder.
  ///
  /// - Throws: `ModelError.invalidConfiguration`.
  public func requireDecoder() throws(ModelError) { try require(isCausal: true) }

  private func require(isCausal: Bool) throws(ModelError) {
    guard configuration.isCausal != isCausal else { return }
    throw .invalidConfiguration(
      path: path,
      key: "model_type",
      reason: "is \(family.rawValue), "
        + (isCausal ? "an encoder, which writes no text" : "a decoder, which is no encoder")
    )
  }

  /// The tokenizer.
  ///
  /// - Throws: `ModelError.tokenizerMismatch` if the model has none.
  public func requireTokenizer() throws(ModelError) -> Tokenizer {
    guard let tokenizer else {
      throw .tokenizerMismatch(path: path, reason: "the model has none (tokenizer.json is missing)")
    }
    return tokenizer
  }

  /// Checks that every tensor which the configuration asks for is there, with its shape.
  ///
  /// For work that begins long before the model is built.
  ///
  /// - Throws: `CheckpointError.missingTensor` or `.shapeMismatch`.
  public func checkTensors() throws(CheckpointError) {
    for tensor in configuration.tensors {
      guard let found = catalog.describe(tensor.name)?.shape else {
        throw .missingTensor(path: catalog.path, name: tensor.name, near: [])
      }
      guard found != tensor.shape else { continue }
      throw .shapeMismatch(
        path: catalog.path,
        name: tensor.name,
        expected: tensor.shape.extents,
        found: found.extents
      )
    }
  }

  /// The numbers that the model consists of.
  public var parameterCount: Int {
    configuration.tensorNames.reduce(0) { $0 + (catalog.describe($1)?.shape.count ?? 0) }
  }

  init(
    path: String,
    format: Format,
    configuration: TransformerConfiguration,
    tokenizer: Tokenizer?,
    catalog: any TensorCatalog,
    generation: GenerationDocument,
    quantization: JSONObject?,
    documents: PretrainedDocuments,
    configurationDocument: JSONObject,
    fileMetadata: GGUFMetadata? = nil
  ) throws(ModelError) {
    self.path = path
    self.fileMetadata = fileMetadata
    self.format = format
    self.configuration = configuration
    self.catalog = catalog
    self.quantization = quantization
    storedDocuments = documents
    self.configurationDocument = configurationDocument
    sampling = generation.sampling
    let rows = configuration.vocabularyCount
    if let found = tokenizer, found.vocabularyCount > rows {
      guard let limited = found.limited(to: rows) else {
        throw .tokenizerMismatch(
          path: path,
          reason: "it has \(found.vocabularyCount) tokens, the embedding only \(rows) rows"
        )
      }
      self.tokenizer = limited
    } else {
      self.tokenizer = tokenizer
    }
    var stops = generation.stopTokens
    for marker in ["<|im_end|>", "<|eot_id|>", "<end_of_turn>"] {
      if let tokenizer = self.tokenizer, let id = tokenizer.id(of: marker), tokenizer.isSpecial(id)
      {
        stops.insert(id)
      }
    }
    stopTokens = stops
  }
}
