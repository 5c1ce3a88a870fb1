public import Checkpoints
public import Foundation

extension Tokenizer {
  /// Reads a `tokenizer.json`.
  ///
  /// A `tokenizer_config.json` beside it, if there is one, says which tokens open and end a text.
  ///
  /// - Parameter url: the file, or the folder that holds it.
  /// - Throws: What is wrong with the file, or which of its components is not supported.
  public init(contentsOf url: URL) throws(TokenizerError) {
    let isFolder = (try? url.resourceValues(forKeys: [.isDirectoryKey]))?.isDirectory ?? false
    let file = isFolder ? url.appending(path: "tokenizer.json") : url
    let folder = file.deletingLastPathComponent()
    let json = try Tokenizer.json(at: file)
    var parts = try TokenizerFile(json).parts()
    let settings = folder.appending(path: "tokenizer_config.json")
    if FileManager.default.fileExists(atPath: settings.path) {
      let field = TokenizerField(path: "", value: try Tokenizer.json(at: settings))
      if let id = try Tokenizer.id(field["bos_token"], parts.vocabulary) { parts.bosID = id }
      if let id = try Tokenizer.id(field["eos_token"], parts.vocabulary) { parts.eosID = id }
    }
    self.init(parts)
  }

  /// Makes a tokenizer from the contents of a `tokenizer.json`.
  public init(json: Data) throws(TokenizerError) {
    self.init(try TokenizerFile(try Tokenizer.parsed(json)).parts())
  }

  /// Makes a tokenizer from a parsed `tokenizer.json`.
  public init(json: JSONValue) throws(TokenizerError) {
    self.init(try TokenizerFile(json).parts())
  }

  private static func json(at url: URL) throws(TokenizerError) -> JSONValue {
    let data: Data
    do {
      let attributes = try FileManager.default.attributesOfItem(
        atPath: url.resolvingSymlinksInPath().path
      )
      guard attributes[.type] as? FileAttributeType == .typeRegular else {
        throw TokenizerError.unreadableFile(path: url.path, reason: "not a regular file")
      }
      let size = (attributes[.size] as? NSNumber)?.intValue ?? 0
      guard size <= TokenizerLimits.fileBytes else {
        throw TokenizerError.limitExceeded(
          path: "\(url.path): bytes",
          limit: TokenizerLimits.fileBytes,
          found: size
        )
      }
      data = try Data(contentsOf: url, options: .mappedIfSafe)
    } catch let error as TokenizerError {
      throw error
    } catch {
      throw .unreadableFile(path: url.path, reason: error.localizedDescription)
    }
    return try parsed(data)
  }

  private static func parsed(_ data: Data) throws(TokenizerError) -> JSONValue {
    do {
      return try JSONValue.parse(data, limits: JSONLimits(byteCount: TokenizerLimits.fileBytes))
    } catch {
      throw .invalidJSON(reason: error.description)
    }
  }

  /// The id of a token that a configuration names as a string or as an object with `content`.
  private static func id(
    _ field: TokenizerField,
    _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> Int32? {
    if field.isNull { return nil }
    let content = field.value.objectValue == nil ? field : field["content"]
    return vocabulary.id(of: try content.string())
  }
}
