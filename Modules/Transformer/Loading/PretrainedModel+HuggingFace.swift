import Checkpoints
public import Foundation

extension PretrainedModel {
  /// The files that go with a copy of the model.
  private static let companions = [
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json",
    "chat_template.jinja",
  ]

  init(folder url: URL) throws {
    let path = url.path(percentEncoded: false)
    let configurationPath = url.appending(path: "config.json").path(percentEncoded: false)
    guard FileManager.default.fileExists(atPath: configurationPath) else {
      throw ModelError.notAModel(path: path, reason: "the folder holds no config.json")
    }
    let document = try Self.object(at: configurationPath)
    let reader = ConfigurationReader(path: configurationPath, object: document)
    let checkpoint = try Checkpoint(path: path)
    var configuration = try TransformerConfiguration(reader, path: configurationPath)
    if configuration.family == .bert {
      // Models for other tasks leave the pooler out.
      configuration.hasPooler = ["", "bert."].contains { prefix in
        checkpoint.describe(prefix + "pooler.dense.weight") != nil
      }
    }

    var documents: [String: Data] = [:]
    for name in Self.companions {
      let file = url.appending(path: name)
      guard FileManager.default.fileExists(atPath: file.path(percentEncoded: false)) else {
        continue
      }
      // In memory, and alive until the copy is made: `bytes` does not keep the file.
      let mapped = try MappedFile(path: file.path(percentEncoded: false), mode: .inMemory)
      documents[name] = withExtendedLifetime(mapped) { Data(mapped.bytes) }
    }
    let generationName = "generation_config.json"
    let generation: ConfigurationReader? =
      if documents[generationName] != nil {
        ConfigurationReader(
          path: path + "/" + generationName,
          object: try Self.object(at: path + "/" + generationName)
        )
      } else { nil }
    try self.init(
      path: path,
      format: .huggingFace,
      configuration: configuration,
      tokenizer: documents["tokenizer.json"] == nil
        ? nil : try Tokenizer(contentsOf: url.appending(path: "tokenizer.json")),
      catalog: FamilyCatalog(checkpoint, configuration),
      generation: GenerationDocument(configuration: reader, generation: generation),
      quantization: document[Self.quantizationKey]?.objectValue,
      documents: PretrainedDocuments(documents),
      configurationDocument: document
    )
  }

  private static let quantizationKey = "quantization_config"

  fileprivate static func object(at path: String) throws -> JSONObject {
    guard let object = try JSONValue.read(path).objectValue else {
      throw ModelError.notAModel(path: path, reason: "the file does not hold a JSON object")
    }
    return object
  }
}

extension TransformerConfiguration {
  /// The shape of a model from its Hugging Face config.json alone, without weights.
  ///
  /// - Parameter url: the file.
  /// - Throws: `ModelError`, with file and reason.
  public init(contentsOf url: URL) throws {
    let path = url.path(percentEncoded: false)
    let document = try PretrainedModel.object(at: path)
    try self.init(ConfigurationReader(path: path, object: document), path: path)
  }

  fileprivate init(_ reader: ConfigurationReader, path: String) throws {
    let modelType = try reader.string("model_type") ?? "unknown"
    guard let family = ModelFamily(modelType: modelType) else {
      throw ModelError.unsupportedFamily(
        modelType,
        path: path,
        supported: ModelFamily.allCases.map(\.rawValue)
      )
    }
    self = try family.format.configuration(reader)
  }
}
