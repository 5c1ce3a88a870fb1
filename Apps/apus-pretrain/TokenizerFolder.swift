import Checkpoints
import Foundation
import Support
import Transformer

/// A tokenizer on disk: the tokenizer.json that a path leads to, and what lies beside it.
struct TokenizerFolder {
  /// The tokenizer.
  let tokenizer: Tokenizer
  /// The fingerprint of tokenizer.json.
  let fingerprint: String
  private let path: String
  private let json: String

  /// Reads a tokenizer.json, or the one in a folder.
  init(path: String) throws {
    var isFolder = ObjCBool(false)
    _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
    self.path = isFolder.boolValue ? path + "/tokenizer.json" : path
    json = try TextFile(path: self.path).text
    tokenizer = try Tokenizer(contentsOf: URL(filePath: self.path))
    fingerprint = TokenFile.fingerprint(Array(json.utf8))
  }

  /// The files that lie beside a model with this tokenizer, by name.
  ///
  /// Settings that are missing are made: the transformers library needs them to know the class, and
  /// generation to know where a text ends.
  func documents() throws -> [String: Data] {
    var documents = ["tokenizer.json": Data(json.utf8)]
    let folder = URL(filePath: path).deletingLastPathComponent()
    for name in ["tokenizer_config.json", "chat_template.jinja"] {
      documents[name] = try? Data(contentsOf: folder.appending(path: name))
    }
    if documents["tokenizer_config.json"] == nil {
      var settings: JSONObject = ["tokenizer_class": "PreTrainedTokenizerFast"]
      settings["bos_token"] = text(of: tokenizer.bosID)
      settings["eos_token"] = text(of: tokenizer.eosID)
      documents["tokenizer_config.json"] = Self.data(settings)
    }
    var generation: JSONObject = [:]
    generation["bos_token_id"] = tokenizer.bosID.map { .integer(Int64($0)) }
    generation["eos_token_id"] = tokenizer.eosID.map { .integer(Int64($0)) }
    if !generation.isEmpty { documents["generation_config.json"] = Self.data(generation) }
    return documents
  }

  private func text(of id: Int32?) -> JSONValue? {
    id.flatMap { tokenizer.token(for: $0) }.map { .string($0) }
  }

  private static func data(_ document: JSONObject) -> Data {
    Data(JSONValue.object(document).serializedBytes(pretty: true) + [0x0A])
  }
}
