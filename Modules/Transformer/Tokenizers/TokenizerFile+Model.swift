import Checkpoints

extension TokenizerFile {
  private static let models = ["BPE", "Unigram", "WordPiece"]

  /// The model and its vocabulary.
  func model(
    _ field: TokenizerField,
    added: [AddedToken],
    isByteLevel: Bool
  ) throws(TokenizerError) -> (Vocabulary, TokenModel) {
    _ = try field.object()
    let type = field["type"]
    let name = type.isNull ? try impliedType(field) : try type.string()
    if isByteLevel, name != "BPE" {
      throw .unsupported(
        path: "pre_tokenizer",
        name: "ByteLevel with the model \(name.shortened)",
        supported: ["ByteLevel with the model BPE"]
      )
    }
    switch name {
    case "BPE": return try bytePair(field, added, isByteLevel)
    case "Unigram": return try unigram(field, added)
    case "WordPiece": return try wordPiece(field, added)
    default: throw type.unsupported(TokenizerFile.models)
    }
  }

  /// Files of old versions do not name the type.
  private func impliedType(_ field: TokenizerField) throws(TokenizerError) -> String {
    if !field["merges"].isNull { return "BPE" }
    if !field["max_input_chars_per_word"].isNull { return "WordPiece" }
    if field["vocab"].value.arrayValue != nil { return "Unigram" }
    throw .missingField(path: "model.type")
  }

  /// A vocabulary that is an object of token and id.
  private func tokens(
    _ field: TokenizerField
  ) throws(TokenizerError) -> [(token: [UInt8], id: Int32)] {
    var tokens: [(token: [UInt8], id: Int32)] = []
    let object = try field.object()
    tokens.reserveCapacity(object.count)
    for (token, value) in object {
      guard let id = value.integerValue.flatMap({ Int32(exactly: $0) }), id >= 0 else {
        throw TokenizerField(path: "\(field.path).\(token.shortened)", value: value)
          .invalid("an id")
      }
      tokens.append((Array(token.utf8), id))
    }
    return tokens
  }

  private func unknownID(
    _ field: TokenizerField,
    _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> Int32? {
    if field.isNull { return nil }
    let token = try field.string()
    guard let id = vocabulary.modelID(of: Array(token.utf8)) else {
      throw .unknownToken(path: field.path, token: token.shortened)
    }
    return id
  }

  // MARK: - BPE

  private func bytePair(
    _ field: TokenizerField,
    _ added: [AddedToken],
    _ isByteLevel: Bool
  ) throws(TokenizerError) -> (Vocabulary, TokenModel) {
    try refuseSubwordMarks(field)
    let hasFallback = try field["byte_fallback"].flag(default: false)
    if hasFallback, isByteLevel {
      throw .unsupported(
        path: "model.byte_fallback",
        name: "byte_fallback with ByteLevel",
        supported: ["false"]
      )
    }
    let vocabulary = try vocabulary(
      try tokens(field["vocab"]),
      added: added,
      isByteLevel: isByteLevel,
      path: "model.vocab"
    )
    var options = BytePairModel.Options()
    options.unknownID = try unknownID(field["unk_token"], vocabulary)
    options.fusesUnknown = try field["fuse_unk"].flag(default: false)
    options.ignoresMerges = try field["ignore_merges"].flag(default: false)
    let model = BytePairModel(
      table: vocabulary.table,
      merges: try merges(field["merges"], vocabulary),
      symbols: isByteLevel
        ? .bytes(vocabulary.idsOfBytes)
        : .scalars(fallback: hasFallback ? vocabulary.byteTokens : []),
      options: options
    )
    return (vocabulary, .bytePair(model))
  }

  private func refuseSubwordMarks(_ field: TokenizerField) throws(TokenizerError) {
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
      let mark = field[key]
      if !mark.isNull, !(try mark.string()).isEmpty { throw mark.unsupported(["null", "\"\""]) }
    }
    let dropout = field["dropout"]
    if !dropout.isNull, dropout.value.doubleValue != 0 { throw dropout.unsupported(["null", "0"]) }
  }

  /// The merges as strings `"a b"` or as lists `["a", "b"]`.
  private func merges(
    _ field: TokenizerField,
    _ vocabulary: Vocabulary
  ) throws(TokenizerError) -> PairTable {
    let array = try field.array()
    var table = MergeTable(vocabulary, count: array.count, path: field.path)
    for (rank, value) in array.enumerated() {
      if let line = value.stringValue {
        try table.add(line: Array(line.utf8), rank: rank)
      } else if let pair = value.arrayValue, pair.count == 2, let left = pair[0].stringValue,
        let right = pair[1].stringValue
      {
        try table.add(Array(left.utf8), Array(right.utf8), rank: rank)
      } else {
        throw TokenizerField(path: "\(field.path)[\(rank)]", value: value)
          .invalid("\"left right\" or [left, right]")
      }
    }
    return table.pairs
  }

  // MARK: - Unigram and WordPiece

  private func unigram(
    _ field: TokenizerField,
    _ added: [AddedToken]
  ) throws(TokenizerError) -> (Vocabulary, TokenModel) {
    var tokens: [(token: [UInt8], id: Int32)] = []
    var scores: [Double] = []
    let entries = try field["vocab"].array()
    for (id, value) in entries.enumerated() {
      guard let pair = value.arrayValue, pair.count == 2, let token = pair[0].stringValue,
        let score = pair[1].doubleValue, score.isFinite
      else {
        throw TokenizerField(path: "\(field.path).vocab[\(id)]", value: value)
          .invalid("[token, score]")
      }
      tokens.append((Array(token.utf8), Int32(id)))
      scores.append(score)
    }
    let vocabulary = try vocabulary(
      tokens,
      added: added,
      isByteLevel: false,
      path: "model.vocab"
    )
    guard !scores.isEmpty else { throw field["vocab"].invalid("at least one token") }
    let unknownID = try field["unk_id"].integer(in: 0...scores.count - 1)
    let hasFallback = try field["byte_fallback"].flag(default: false)
    let model = UnigramModel(
      table: vocabulary.table,
      scores: scores,
      unknownID: Int32(unknownID),
      fallback: hasFallback ? vocabulary.byteTokens : []
    )
    return (vocabulary, .unigram(model))
  }

  private func wordPiece(
    _ field: TokenizerField,
    _ added: [AddedToken]
  ) throws(TokenizerError) -> (Vocabulary, TokenModel) {
    let vocabulary = try vocabulary(
      try tokens(field["vocab"]),
      added: added,
      isByteLevel: false,
      path: "model.vocab"
    )
    let unknown = field["unk_token"]
    guard let unknownID = try unknownID(unknown, vocabulary) else {
      throw .missingField(path: unknown.path)
    }
    let longest = field["max_input_chars_per_word"]
    let prefix = field["continuing_subword_prefix"]
    let model = WordPieceModel(
      table: vocabulary.table,
      prefix: prefix.isNull ? "##" : try prefix.string(),
      unknownID: unknownID,
      longestWord: longest.isNull ? 100 : try longest.integer(in: 0...Int(Int32.max))
    )
    return (vocabulary, .wordPiece(model))
  }
}
