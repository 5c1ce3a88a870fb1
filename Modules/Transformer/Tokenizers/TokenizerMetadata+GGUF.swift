public import Checkpoints

extension Tokenizer {
  /// Makes a tokenizer from the vocabulary in a GGUF file.
  ///
  /// A chat template in the file is a program; it is not read.
  ///
  /// - Throws: `TokenizerError` if the vocabulary is missing, broken or of an unknown kind.
  public init(gguf file: GGUFFile) throws(TokenizerError) {
    try self.init(metadata: try TokenizerMetadata(file.metadata))
  }
}

extension TokenizerMetadata {
  /// Reads the keys under `tokenizer.ggml.`.
  ///
  /// - Throws: `TokenizerError` if a key is missing or holds another type than it must.
  public init(_ metadata: GGUFMetadata) throws(TokenizerError) {
    let reader = VocabularyReader(metadata: metadata)
    let model = try reader.string("model")
    guard let model else { throw .missingField(path: VocabularyReader.path("model")) }
    self.init(
      model: model,
      tokens: try reader.strings("tokens") ?? [],
      merges: try reader.strings("merges") ?? []
    )
    pre = try reader.string("pre")
    scores = try reader.list("scores", "a list of float32") { $0.floats }
    tokenTypes = try reader.list("token_type", "a list of int32") { list in
      list.elementType == .int32 ? list.integers?.map { Int32($0) } : nil
    }
    bosID = try reader.id("bos_token_id")
    eosID = try reader.id("eos_token_id")
    unknownID = try reader.id("unknown_token_id")
    addsBOS = try reader.flag("add_bos_token")
    addsEOS = try reader.flag("add_eos_token")
    addsSpacePrefix = try reader.flag("add_space_prefix")
  }
}

/// Reads one vocabulary's keys; absent ones are nil, those of another type an error.
private struct VocabularyReader {
  let metadata: GGUFMetadata

  static func path(_ key: String) -> String { "tokenizer.ggml.\(key)" }

  private func read<Value>(
    _ key: String,
    _ expected: String,
    _ body: (GGUFValue) -> Value?
  ) throws(TokenizerError) -> Value? {
    guard let found = metadata[VocabularyReader.path(key)] else { return nil }
    guard let value = body(found) else {
      let element = found.arrayValue.map { " of \($0.elementType)" } ?? ""
      throw .invalidField(
        path: VocabularyReader.path(key),
        expected: expected,
        found: "\(found.type)" + element
      )
    }
    return value
  }

  func string(_ key: String) throws(TokenizerError) -> String? {
    try read(key, "a string") { $0.stringValue }
  }

  func flag(_ key: String) throws(TokenizerError) -> Bool? {
    try read(key, "a truth value") { $0.boolValue }
  }

  func id(_ key: String) throws(TokenizerError) -> Int32? {
    try read(key, "an id") { $0.integerValue.flatMap { Int32(exactly: $0) } }
  }

  func list<Value>(
    _ key: String,
    _ expected: String,
    _ body: (GGUFArray) -> Value?
  ) throws(TokenizerError) -> Value? {
    if let count = metadata[VocabularyReader.path(key)]?.arrayValue?.count,
      count > TokenizerLimits.tokenCount
    {
      throw .limitExceeded(
        path: "\(VocabularyReader.path(key)): number of entries",
        limit: TokenizerLimits.tokenCount,
        found: count
      )
    }
    return try read(key, expected) { $0.arrayValue.flatMap(body) }
  }

  func strings(_ key: String) throws(TokenizerError) -> [[UInt8]]? {
    try list(key, "a list of strings") { $0.strings.map { Array($0) } }
  }
}
