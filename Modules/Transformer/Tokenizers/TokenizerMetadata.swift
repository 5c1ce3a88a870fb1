import Checkpoints

/// The vocabulary of a model file that has no tokenizer.json: what GGUF stores under
/// `tokenizer.ggml.`.
public struct TokenizerMetadata: Sendable {
  /// What a token is (`token_type`).
  public enum TokenType: Int32, Sendable, CaseIterable {
    /// Ordinary text.
    case normal = 1
    /// Stands for what the vocabulary lacks.
    case unknown = 2
    /// Marks structure; no text.
    case control = 3
    /// Text that is always one token.
    case userDefined = 4
    /// Not in use.
    case unused = 5
    /// One byte, spelled `<0x41>`.
    case byte = 6
  }

  /// The kind of vocabulary (`model`): `gpt2`, `llama` or `bert`.
  public var model: String
  /// The pre-tokenizer of a `gpt2` vocabulary (`pre`): `smollm`, `gpt-2`, `llama-bpe`, `dbrx`, `qwen2`,
  /// or another name of those.
  public var pre: String?
  /// The tokens by id, as bytes: those of real files are not always valid UTF-8.
  public var tokens: [[UInt8]]
  /// The score of each token, the higher merged first; `llama` vocabularies need it.
  public var scores: [Float]?
  /// The type of each token; all normal when absent.
  public var tokenTypes: [Int32]?
  /// The merges of a `gpt2` vocabulary, each `left right` with a space between.
  public var merges: [[UInt8]]
  /// The id that opens a text.
  public var bosID: Int32?
  /// The id that ends a text.
  public var eosID: Int32?
  /// The id of the unknown token.
  public var unknownID: Int32?
  /// Whether a text opens with ``bosID``; absent means the custom of the kind.
  public var addsBOS: Bool?
  /// Whether a text ends with ``eosID``; absent means no.
  public var addsEOS: Bool?
  /// Whether a space goes before a text; absent means yes, for `llama` vocabularies.
  public var addsSpacePrefix: Bool?

  /// Metadata with the fields that every vocabulary has.
  ///
  /// - Parameters:
  ///   - model: the kind of vocabulary, `gpt2`, `llama` or `bert`.
  ///   - tokens: the tokens by id.
  ///   - merges: the merges of a `gpt2` vocabulary.
  public init(model: String, tokens: [[UInt8]], merges: [[UInt8]] = []) {
    self.model = model
    self.tokens = tokens
    self.merges = merges
  }
}

extension Tokenizer {
  /// Makes a tokenizer from the vocabulary of a model file.
  ///
  /// Control, unknown and user-defined tokens are cut out of the text first, the longest at a place.
  /// `llama` vocabularies then merge the adjacent pair whose token has the highest score.
  public init(metadata: TokenizerMetadata) throws(TokenizerError) {
    switch metadata.model {
    case "gpt2": self.init(try MetadataReader(metadata).byteLevelParts())
    case "llama": self.init(try MetadataReader(metadata).scoredParts())
    case "bert":
      _ = try MetadataReader(metadata)  // checks the types of tokens
      try self.init(json: .object(metadata.document()))
    default:
      throw .unsupported(
        path: "tokenizer.ggml.model",
        name: metadata.model.shortened,
        supported: ["gpt2", "llama", "bert"]
      )
    }
  }
}

/// Turns metadata into the parts of a tokenizer.
private struct MetadataReader {
  let metadata: TokenizerMetadata
  private let types: [TokenizerMetadata.TokenType]

  init(_ metadata: TokenizerMetadata) throws(TokenizerError) {
    self.metadata = metadata
    types = try MetadataReader.types(metadata)
  }

  private static func types(
    _ metadata: TokenizerMetadata
  ) throws(TokenizerError) -> [TokenizerMetadata.TokenType] {
    let count = metadata.tokens.count
    guard count > 0 else { throw .missingField(path: "tokenizer.ggml.tokens") }
    guard count <= TokenizerLimits.tokenCount else {
      throw .limitExceeded(
        path: "tokenizer.ggml.tokens: number of tokens",
        limit: TokenizerLimits.tokenCount,
        found: count
      )
    }
    guard let numbers = metadata.tokenTypes else {
      return [TokenizerMetadata.TokenType](repeating: .normal, count: count)
    }
    try checkLength(numbers.count, count, "tokenizer.ggml.token_type")
    var types: [TokenizerMetadata.TokenType] = []
    types.reserveCapacity(count)
    for (id, number) in numbers.enumerated() {
      guard let type = TokenizerMetadata.TokenType(rawValue: number) else {
        throw .invalidField(
          path: "tokenizer.ggml.token_type[\(id)]",
          expected: "1 to 6",
          found: "\(number)"
        )
      }
      types.append(type)
    }
    return types
  }

  private static func checkLength(
    _ found: Int,
    _ expected: Int,
    _ path: String
  ) throws(TokenizerError) {
    if found == expected { return }
    throw .invalidField(
      path: path,
      expected: "\(expected) entries, one a token",
      found: "\(found)"
    )
  }

  /// The tokens that are cut out of the text before anything else.
  private func addedTokens() throws(TokenizerError) -> [AddedToken] {
    var added: [AddedToken] = []
    for (id, type) in types.enumerated() {
      guard type == .control || type == .unknown || type == .userDefined else { continue }
      guard let content = String(validating: metadata.tokens[id], as: UTF8.self) else {
        throw .invalidField(
          path: "tokenizer.ggml.tokens[\(id)]",
          expected: "UTF-8 in a special token",
          found: "other bytes"
        )
      }
      if content.isEmpty { continue }
      added.append(
        AddedToken(id: Int32(id), content: content, isSpecial: type != .userDefined)
      )
    }
    return added
  }

  private func checked(_ id: Int32?, _ key: String) throws(TokenizerError) -> Int32? {
    guard let id else { return nil }
    guard metadata.tokens.indices.contains(Int(id)) else {
      throw .invalidField(
        path: "tokenizer.ggml.\(key)",
        expected: "an id below \(metadata.tokens.count)",
        found: "\(id)"
      )
    }
    return id
  }

  private func finish(
    _ parts: inout TokenizerParts,
    addsBOS: Bool
  ) throws(TokenizerError) {
    parts.bosID = try checked(metadata.bosID, "bos_token_id")
    parts.eosID = try checked(metadata.eosID, "eos_token_id")
    var (prefix, suffix): ([Int32], [Int32]) = ([], [])
    if metadata.addsBOS ?? addsBOS { prefix = try required(parts.bosID, "bos_token_id") }
    if metadata.addsEOS ?? false { suffix = try required(parts.eosID, "eos_token_id") }
    parts.template = .around(prefix: prefix, suffix: suffix)
  }

  private func required(_ id: Int32?, _ key: String) throws(TokenizerError) -> [Int32] {
    guard let id else { throw .missingField(path: "tokenizer.ggml.\(key)") }
    return [id]
  }

  // MARK: - gpt2

  func byteLevelParts() throws(TokenizerError) -> TokenizerParts {
    let pre = try metadata.split()
    let vocabulary = try vocabulary(isByteLevel: true)
    let path = "tokenizer.ggml.merges"
    var merges = MergeTable(vocabulary, count: metadata.merges.count, path: path)
    for (rank, line) in metadata.merges.enumerated() { try merges.add(line: line, rank: rank) }
    var options = BytePairModel.Options()
    options.ignoresMerges = pre == .llama3
    let model = BytePairModel(
      table: vocabulary.table,
      merges: merges.pairs,
      symbols: .bytes(vocabulary.idsOfBytes),
      options: options
    )
    var parts = TokenizerParts(vocabulary: vocabulary, model: .bytePair(model))
    parts.preTokenizer = pre.pattern.preTokenizer
    if pre == .qwen2 { parts.normalizer = TextNormalizer(steps: [.form(.composed)]) }
    parts.decoder = .byteLevel
    try finish(&parts, addsBOS: pre == .llama3)
    return parts
  }

  private func vocabulary(isByteLevel: Bool) throws(TokenizerError) -> Vocabulary {
    try Vocabulary(
      metadata.tokens.enumerated().map { ($0.element, Int32($0.offset)) },
      added: try addedTokens(),
      isByteLevel: isByteLevel,
      path: "tokenizer.ggml.tokens"
    )
  }

  // MARK: - llama

  func scoredParts() throws(TokenizerError) -> TokenizerParts {
    let vocabulary = try vocabulary(isByteLevel: false)
    // Only what SentencePiece calls pieces takes part in merges: text cannot forge control tokens.
    let isPiece = types.map { $0 == .normal || $0 == .userDefined || $0 == .unused }
    let pieces = vocabulary.table.restricted { isPiece[Int($0)] }
    var options = BytePairModel.Options()
    options.unknownID = try checked(metadata.unknownID, "unknown_token_id") ?? firstUnknown
    options.fusesUnknown = true
    let merges = try ScoredMerges(pieces, ranks: try ranks()).pairs()
    var parts = TokenizerParts(
      vocabulary: vocabulary,
      model: .bytePair(
        BytePairModel(
          table: pieces,
          merges: merges,
          symbols: .scalars(fallback: byteTokens()),
          options: options
        )
      )
    )
    let mark = Array("▁".utf8)
    let addsSpace = metadata.addsSpacePrefix ?? true
    parts.normalizer.steps = addsSpace ? [.prepend(mark)] : []
    parts.normalizer.steps.append(.replace([0x20], with: mark))
    parts.decoder = .pieces(
      PieceDecoder(
        steps: [.replace(mark, with: [0x20])],
        joinsBytes: true,
        leading: addsSpace ? (" ", 1) : nil
      )
    )
    try finish(&parts, addsBOS: true)
    return parts
  }

  private var firstUnknown: Int32? { types.firstIndex(of: .unknown).map { Int32($0) } }

  private func byteTokens() -> [Int32] {
    var ids = [Int32](repeating: -1, count: 256)
    for (id, type) in types.enumerated() where type == .byte {
      if let byte = PieceDecoder.byte(of: metadata.tokens[id]) { ids[Int(byte)] = Int32(id) }
    }
    return ids
  }

  /// The rank of each token: 0 for the highest score, equal for equal scores.
  private func ranks() throws(TokenizerError) -> [UInt32] {
    guard let scores = metadata.scores else {
      throw .missingField(path: "tokenizer.ggml.scores")
    }
    try MetadataReader.checkLength(scores.count, types.count, "tokenizer.ggml.scores")
    if let id = scores.firstIndex(where: \.isNaN) {
      throw .invalidField(
        path: "tokenizer.ggml.scores[\(id)]",
        expected: "a number",
        found: "\(scores[id])"
      )
    }
    var ranks = [UInt32](repeating: 0, count: scores.count)
    var rank: UInt32 = 0
    var previous: Float?
    for id in scores.indices.sorted(by: { scores[$0] > scores[$1] }) {
      if let previous, scores[id] != previous { rank += 1 }
      previous = scores[id]
      ranks[id] = rank
    }
    return ranks
  }
}

/// The merges that scores imply: every cut of a token into two tokens, with the token's rank.
private struct ScoredMerges {
  let table: TokenTable
  let ranks: [UInt32]

  init(_ table: TokenTable, ranks: [UInt32]) {
    self.table = table
    self.ranks = ranks
  }

  func pairs() throws(TokenizerError) -> PairTable {
    var pairs = PairTable(minimumCapacity: table.count)
    for id in 0..<Int32(table.count) {
      guard let token = table.token(id), token.count > 1 else { continue }
      token.withUnsafeBufferPointer { add($0, id, to: &pairs) }
    }
    return pairs
  }

  private func add(_ token: UTF8Text, _ id: Int32, to pairs: inout PairTable) {
    var cut = token.scalar(at: 0, end: token.count).length
    while cut < token.count {
      if let left = table.id(of: token, from: 0, to: cut),
        let right = table.id(of: token, from: cut, to: token.count)
      {
        pairs.set(
          UInt32(bitPattern: left),
          UInt32(bitPattern: right),
          to: PairTable.Value(first: ranks[Int(id)], second: UInt32(bitPattern: id))
        )
      }
      cut += token.scalar(at: cut, end: token.count).length
    }
  }
}
