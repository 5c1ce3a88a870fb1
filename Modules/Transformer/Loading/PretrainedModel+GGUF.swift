import Checkpoints
import Foundation

extension PretrainedModel {
  init(gguf url: URL) throws {
    let path = url.path(percentEncoded: false)
    guard try Self.beginsLikeGGUF(path) else {
      let reason =
        path.hasSuffix(".safetensors")
        ? "a safetensors file lacks the configuration: name the folder that holds it"
        : "the file does not begin like a GGUF file"
      throw ModelError.notAModel(path: path, reason: reason)
    }
    let file = try GGUFFile(path: path)
    guard let (family, format) = GGUFFormat.family(of: file) else {
      throw ModelError.unsupportedFamily(
        file.architecture,
        path: path,
        supported: ModelFamily.allCases.compactMap { $0.format.gguf?.architecture }
      )
    }
    let configuration = try format.configuration(file, family)
    let metadata = Self.hasVocabulary(file) ? try TokenizerMetadata(file.metadata) : nil
    var generation = GenerationDocument()
    for id in [metadata?.eosID, file.metadata["tokenizer.ggml.eot_token_id"]?.tokenID] {
      if let id { generation.stopTokens.insert(id) }
    }
    var document = configuration.document(elementType: "float32")
    if let id = metadata?.bosID { document["bos_token_id"] = .integer(Int64(id)) }
    let stops = generation.stopTokens.sorted().map { JSONValue.integer(Int64($0)) }
    if !stops.isEmpty { document["eos_token_id"] = stops.count == 1 ? stops[0] : .array(stops) }
    try self.init(
      path: path,
      format: .gguf,
      configuration: configuration,
      tokenizer: try metadata.map { try Tokenizer(metadata: $0) },
      catalog: FamilyCatalog(file, configuration, format),
      generation: generation,
      quantization: nil,
      documents: try Self.documents(metadata, file),
      configurationDocument: document,
      fileMetadata: file.metadata
    )
  }

  private static func beginsLikeGGUF(_ path: String) throws(CheckpointError) -> Bool {
    let file = try MappedFile(path: path)
    return withExtendedLifetime(file) { file.bytes.prefix(4).elementsEqual("GGUF".utf8) }
  }

  /// Whether the file carries a vocabulary at all.
  private static func hasVocabulary(_ file: GGUFFile) -> Bool {
    guard let model = file.metadata["tokenizer.ggml.model"]?.stringValue else { return false }
    return model != "none" && model != "no_vocab"
  }

  /// tokenizer.json and tokenizer_config.json as a Hugging Face folder has them.
  private static func documents(
    _ metadata: TokenizerMetadata?,
    _ file: GGUFFile
  ) throws -> PretrainedDocuments {
    guard let metadata else { return PretrainedDocuments([:]) }
    var settings: JSONObject = ["tokenizer_class": "PreTrainedTokenizerFast"]
    func name(_ key: String, _ id: Int32?) {
      guard let id, metadata.tokens.indices.contains(Int(id)) else { return }
      settings[key] = String(validating: metadata.tokens[Int(id)], as: UTF8.self).map {
        .string($0)
      }
    }
    name("bos_token", metadata.bosID)
    name("eos_token", metadata.eosID)
    name("unk_token", metadata.unknownID)
    if let template = file.metadata["tokenizer.chat_template"]?.stringValue {
      settings["chat_template"] = .string(template)
    }
    let data = Data(JSONValue.object(settings).serializedBytes(pretty: true))
    return PretrainedDocuments(["tokenizer_config.json": data]) {
      ["tokenizer.json": Data(JSONValue.object(try metadata.document()).serializedBytes())]
    }
  }
}

extension GGUFValue {
  /// A token id; nil for a value that cannot be one.
  var tokenID: Int32? { integerValue.flatMap { Int32(exactly: $0) } }
}
