public import Checkpoints

extension TokenizerMetadata {
  /// The vocabulary of a tokenizer.json as GGUF stores it.
  ///
  /// Byte-level BPE becomes a `gpt2` vocabulary, SentencePiece-style BPE a `llama` one whose scores
  /// are the ranks of its merges. Ids without a token become unused tokens, since a GGUF vocabulary
  /// has one for every row of the embedding.
  ///
  /// - Parameters:
  ///   - document: the contents of tokenizer.json.
  ///   - tokenizer: the tokenizer that was made of it, which knows its first and last tokens.
  ///   - rowCount: the rows of the embedding; tokens beyond them are left out.
  /// - Throws: `TokenizerError.unsupported` for what the format has no place for, because no reader
  ///   would give the same ids.
  public init(
    document: JSONValue,
    tokenizer: Tokenizer,
    rowCount: Int
  ) throws(TokenizerError) {
    let file = TokenizerFile(document)
    let model = file.root["model"]
    let (isByteLevel, steps) = try Self.steps(file)
    let kind = model["type"]
    guard kind.isNull || kind.value.stringValue == "BPE" else { throw kind.unsupported(["BPE"]) }
    self.init(model: isByteLevel ? "gpt2" : "llama", tokens: [])
    try addTokens(file, rowCount: rowCount)
    let pairs = try Self.mergePairs(model["merges"])
    let normalizer = try file.normalizer(file.root["normalizer"])
    if isByteLevel {
      let ignoresMerges = try model["ignore_merges"].flag(default: false)
      pre = try Self.split(steps, normalizer, ignoresMerges, file.root["pre_tokenizer"]).rawValue
      merges = pairs.map { $0.left + [0x20] + $0.right }
    } else {
      guard try model["byte_fallback"].flag(default: false) else {
        throw model["byte_fallback"].unsupported(["true", "a ByteLevel pre_tokenizer"])
      }
      addsSpacePrefix = try Self.addsSpacePrefix(steps, normalizer, file.root["normalizer"])
      try setTypes(unknown: model["unk_token"].value.stringValue)
      try setScores(pairs)
    }
    try setBoundaries(tokenizer, file.root["post_processor"])
  }

  private static func steps(
    _ file: TokenizerFile
  ) throws(TokenizerError) -> (isByteLevel: Bool, steps: [PreTokenizer.Step]) {
    let found = try file.preTokenizer(file.root["pre_tokenizer"])
    return (found.isByteLevel, found.steps)
  }

  // MARK: - Tokens

  private mutating func addTokens(
    _ file: TokenizerFile,
    rowCount: Int
  ) throws(TokenizerError) {
    tokens = (0..<rowCount).map { Array("[PAD\($0)]".utf8) }
    var types = [TokenType](repeating: .unused, count: rowCount)
    let vocabulary = file.root["model"]["vocab"]
    for (token, value) in try vocabulary.object() {
      guard let id = value.intValue, (0..<rowCount).contains(id) else {
        throw .invalidField(
          path: "\(vocabulary.path).\(token.shortened)",
          expected: "an id below \(rowCount), the rows of the embedding",
          found: "\(value)"
        )
      }
      (tokens[id], types[id]) = (Array(token.utf8), .normal)
    }
    let added = file.root["added_tokens"]
    for token in added.isNull ? [] : try added.array() {
      let entry = TokenizerField(path: added.path, value: token)
      let id = try entry["id"].id()
      let content = try entry["content"].string()
      guard id < rowCount, !content.isEmpty else { continue }
      for flag in ["lstrip", "rstrip", "single_word"] where try entry[flag].flag(default: false) {
        throw .unsupported(
          path: "\(added.path): \(content.shortened)",
          name: flag,
          supported: ["added tokens that are found wherever they stand"]
        )
      }
      let isSpecial = try entry["special"].flag(default: false)
      (tokens[Int(id)], types[Int(id)]) = (Array(content.utf8), isSpecial ? .control : .userDefined)
    }
    tokenTypes = types.map(\.rawValue)
  }

  /// The unknown token and the tokens that stand for bytes.
  private mutating func setTypes(unknown: String?) throws(TokenizerError) {
    guard var types = tokenTypes else { return }
    for (id, token) in tokens.enumerated() {
      if types[id] == TokenType.normal.rawValue, PieceDecoder.byte(of: token) != nil {
        types[id] = TokenType.byte.rawValue
      }
      if let unknown, token.elementsEqual(unknown.utf8) {
        types[id] = TokenType.unknown.rawValue
        unknownID = Int32(id)
      }
    }
    tokenTypes = types
  }

  private mutating func setBoundaries(
    _ tokenizer: Tokenizer,
    _ field: TokenizerField
  ) throws(TokenizerError) {
    let (prefix, suffix) = (tokenizer.template.prefixIDs, tokenizer.template.suffixIDs)
    let expected = TokenTemplate.around(prefix: prefix, suffix: suffix).single
    guard prefix.count <= 1, suffix.count <= 1, tokenizer.template.single == expected else {
      throw .unsupported(
        path: field.path,
        name: "a template of several tokens",
        supported: ["one token before the text, one after it"]
      )
    }
    bosID = prefix.first ?? tokenizer.bosID
    eosID = suffix.first ?? tokenizer.eosID
    addsBOS = !prefix.isEmpty
    addsEOS = !suffix.isEmpty
  }

  // MARK: - Merges

  private static func mergePairs(
    _ field: TokenizerField
  ) throws(TokenizerError) -> [(left: [UInt8], right: [UInt8])] {
    var pairs: [(left: [UInt8], right: [UInt8])] = []
    for (rank, value) in try field.array().enumerated() {
      let parts =
        value.stringValue.map { text in
          text.split(separator: " ", omittingEmptySubsequences: false).map { Array($0.utf8) }
        } ?? value.arrayValue?.compactMap { $0.stringValue.map { Array($0.utf8) } } ?? []
      guard parts.count == 2 else {
        throw TokenizerField(path: "\(field.path)[\(rank)]", value: value)
          .invalid("\"left right\" or [left, right]")
      }
      pairs.append((parts[0], parts[1]))
    }
    return pairs
  }

  /// Scores whose order is that of the merges: readers merge wherever two tokens make a third, the
  /// highest score first.
  private mutating func setScores(
    _ pairs: [(left: [UInt8], right: [UInt8])]
  ) throws(TokenizerError) {
    func refused(_ reason: String) -> TokenizerError {
      .unsupported(
        path: "model.merges",
        name: reason,
        supported: ["the merges that SentencePiece's scores imply"]
      )
    }
    var ranks: [[UInt8]: Int] = [:]
    var (pieces, previous): (Set<[[UInt8]]>, [UInt8]) = ([], [])
    for (rank, pair) in pairs.enumerated() {
      let merged = pair.left + pair.right
      if ranks[merged] == nil {
        ranks[merged] = rank
      } else if merged != previous {
        throw refused(
          "merges of \(String(decoding: merged, as: UTF8.self).shortened) in two places"
        )
      }
      previous = merged
      pieces.insert([pair.left, pair.right])
    }
    let isPiece = Self.pieceTable(self)
    for token in isPiece {
      for cut in token.indices.dropFirst() {
        let parts = [Array(token[..<cut]), Array(token[cut...])]
        guard isPiece.contains(parts[0]), isPiece.contains(parts[1]) else { continue }
        guard pieces.contains(parts) else {
          throw refused("no merge to \(String(decoding: token, as: UTF8.self).shortened)")
        }
      }
    }
    scores = tokens.map { -Float(ranks[$0] ?? pairs.count) }
  }

  /// The tokens that readers merge.
  private static func pieceTable(_ metadata: TokenizerMetadata) -> Set<[UInt8]> {
    let types = metadata.tokenTypes ?? []
    let found = zip(metadata.tokens, types).filter { _, type in
      type == TokenType.normal.rawValue || type == TokenType.userDefined.rawValue
    }
    return Set(found.map(\.0))
  }

  // MARK: - Splits

  private static func split(
    _ steps: [PreTokenizer.Step],
    _ normalizer: TextNormalizer,
    _ ignoresMerges: Bool,
    _ field: TokenizerField
  ) throws(TokenizerError) -> BytePairSplit {
    let isComposed =
      if case .form(.composed)? = normalizer.steps.first, normalizer.steps.count == 1 { true } else
      {
        false
      }
    switch (steps.count, steps.first, steps.last, isComposed) {
    case (1, .pattern(.gpt2)?, _, false) where normalizer.steps.isEmpty: return .gpt2
    case (2, .digits(individually: true)?, .pattern(.gpt2)?, false)
    where normalizer.steps.isEmpty:
      return .smollm
    case (1, .pattern(.llama3(digits: 3))?, _, false) where normalizer.steps.isEmpty:
      return ignoresMerges ? .llama3 : .cl100k
    case (1, .pattern(.llama3(digits: 1))?, _, true): return .qwen2
    default:
      throw .unsupported(
        path: field.path,
        name: "this way to normalize and split text",
        supported: BytePairSplit.allCases.map(\.rawValue)
      )
    }
  }

  /// Whether a space goes before a text whose spaces become ▁.
  private static func addsSpacePrefix(
    _ steps: [PreTokenizer.Step],
    _ normalizer: TextNormalizer,
    _ field: TokenizerField
  ) throws(TokenizerError) -> Bool {
    let mark = Array("▁".utf8)
    var (prepends, replaces, isKnown) = (false, false, true)
    for step in normalizer.steps {
      switch step {
      case .prepend(mark): prepends = true
      case .replace([0x20], with: mark): replaces = true
      default: isKnown = false
      }
    }
    for step in steps {
      switch step {
      case .literal([0x20], _) where replaces: break  // no space is left to split at
      case .metaspace(mark, let prefix, splits: false):
        (prepends, replaces) = (prepends || prefix != .never, true)
      default: isKnown = false
      }
    }
    guard isKnown, replaces else {
      throw .unsupported(
        path: field.path,
        name: "this way to normalize and split text",
        supported: ["Prepend ▁", "Replace of spaces by ▁", "Metaspace without split"]
      )
    }
    return prepends
  }
}
