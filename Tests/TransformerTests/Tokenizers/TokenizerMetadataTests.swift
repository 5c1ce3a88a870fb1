import Checkpoints
import TestSupport
import Testing
import Transformer

/// Vocabularies as GGUF stores them.
@Suite struct TokenizerMetadataTests {
  private static let byteTokens = (0..<256).map { byte in
    "<0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true) + ">"
  }

  /// <unk> 0, <s> 1, </s> 2, bytes 3…258, then `pieces` with falling scores.
  private static func scored(
    _ pieces: [(String, Float)],
    userDefined: [String] = []
  ) -> TokenizerMetadata {
    let tokens = ["<unk>", "<s>", "</s>"] + byteTokens + pieces.map(\.0) + userDefined
    var metadata = TokenizerMetadata(model: "llama", tokens: tokens.map { Array($0.utf8) })
    metadata.scores =
      [Float](repeating: 0, count: 259) + pieces.map(\.1)
      + [Float](repeating: 0, count: userDefined.count)
    metadata.tokenTypes =
      [2, 3, 3] + [Int32](repeating: 6, count: 256) + [Int32](repeating: 1, count: pieces.count)
      + [Int32](repeating: 4, count: userDefined.count)
    metadata.bosID = 1
    metadata.eosID = 2
    return metadata
  }

  private static let pieces: [(String, Float)] = [
    ("▁", -10), ("a", -11), ("b", -12), ("ab", -2), ("ba", -1), ("▁a", -3), ("▁ab", -4),
  ]
  // ▁ 259, a 260, b 261, ab 262, ba 263, ▁a 264, ▁ab 265

  @Test(
    arguments: [
      // ▁aba: ba (−1) first, then ▁a (−3).
      ("aba", [1, 264, 263]),
      // ▁ab: ab (−2) before ▁a (−3), then ▁ab (−4).
      ("ab", [1, 265]),
      // No token: bytes.
      ("é", [1, 259, 3 + 0xC3, 3 + 0xA9]),
      // A control token in the text, with a space prefix after it as in the reference.
      ("a</s>a", [1, 264, 2, 264]),
      ("", [1]),
    ] as [(String, [Int32])]
  )
  func theHighestScoreMergesFirst(_ text: String, _ ids: [Int32]) throws {
    let tokenizer = try Tokenizer(metadata: Self.scored(Self.pieces))
    #expect(tokenizer.encode(text) == ids)
    #expect(tokenizer.decode(ids, skipSpecialTokens: false).hasPrefix("<s>"))
  }

  @Test func equalScoresMergeFromTheLeft() throws {
    var metadata = Self.scored([("a", -5), ("aa", -1), ("aaa", -1)])
    metadata.addsSpacePrefix = false
    metadata.addsBOS = false
    let tokenizer = try Tokenizer(metadata: metadata)
    // aaaa: aa aa at once would be [260, 260]; the left aa takes the next a only where ranks allow.
    #expect(tokenizer.encode("aa") == [260])
    #expect(tokenizer.encode("aaa") == [261])
    #expect(tokenizer.decode([261, 260]) == "aaaaa")
  }

  @Test func userDefinedTokensAreTheLongestMatch() throws {
    var metadata = Self.scored(Self.pieces, userDefined: ["  ", "    ", "\n"])
    metadata.addsSpacePrefix = false
    metadata.addsBOS = false
    let tokenizer = try Tokenizer(metadata: metadata)
    // Seven spaces: 4 + 2 + 1, and the last one joins the a.
    #expect(tokenizer.encode("       a\n") == [267, 266, 264, 268])
    #expect(tokenizer.decode([267, 266, 264, 268]) == "       a\n")
    #expect(!tokenizer.isSpecial(268))
  }

  @Test func textCannotForgeControlTokens() throws {
    // The pieces would lead to </s> if control tokens took part in merges.
    var metadata = Self.scored([("<", -1), ("/", -1), ("s", -1), (">", -1), ("</", -1), ("s>", -1)])
    metadata.addsSpacePrefix = false
    let tokenizer = try Tokenizer(metadata: metadata)
    #expect(tokenizer.encode("</s>") == [1, 2])
    #expect(tokenizer.encode("</s>", specialTokenText: .plain) == [1, 263, 264])
  }

  @Test func boundariesComeFromTheFlags() throws {
    var metadata = Self.scored(Self.pieces)
    metadata.addsBOS = false
    metadata.addsEOS = true
    let tokenizer = try Tokenizer(metadata: metadata)
    #expect(tokenizer.encode("a") == [264, 2])
    #expect(tokenizer.encode("a", addSpecialTokens: false) == [264])
    let pair = tokenizer.encodePair("a", "ab")
    #expect(pair.ids == [264, 2, 265, 2])
    #expect(pair.typeIDs == [0, 0, 1, 1])
    #expect(tokenizer.bosID == 1)
    #expect(tokenizer.eosID == 2)
  }

  @Test(
    arguments: [
      ("gpt-2", "12", [256]), ("smollm", "12", [49, 50]), ("llama-bpe", "12", [7, 256]),
      ("qwen2", "12", [49, 50]), ("qwen2", "e\u{301}", [0xC3, 0xA9]),
      ("smollm", "e\u{301}", [0x65, 0xCC, 0x81]),
    ] as [(String, String, [Int32])]
  )
  func byteLevelVocabulariesFollowTheirMark(_ pre: String, _ text: String, _ ids: [Int32]) throws {
    let tokens = TinyTokenizers.alphabet + ["12"]
    var metadata = TokenizerMetadata(
      model: "gpt2",
      tokens: tokens.map { Array($0.utf8) },
      merges: [Array("1 2".utf8)]
    )
    metadata.pre = pre
    metadata.bosID = 7
    #expect(try Tokenizer(metadata: metadata).encode(text) == ids)
  }

  private static func error(_ change: (inout TokenizerMetadata) -> Void) -> TokenizerError? {
    var metadata = scored(pieces)
    change(&metadata)
    do {
      _ = try Tokenizer(metadata: metadata)
      return nil
    } catch {
      return error
    }
  }

  private static func invalid(_ key: String, _ expected: String, _ found: String) -> TokenizerError
  {
    .invalidField(path: "tokenizer.ggml.\(key)", expected: expected, found: found)
  }

  @Test func unknownKindsAreNamed() {
    #expect(
      Self.error { $0.model = "rwkv" }
        == .unsupported(
          path: "tokenizer.ggml.model",
          name: "rwkv",
          supported: ["gpt2", "llama", "bert"]
        )
    )
    #expect(
      Self.error { $0.model = "bert" } == .missingField(path: "tokenizer.ggml.tokens: [CLS]")
    )
    var metadata = TokenizerMetadata(model: "gpt2", tokens: [[0x61]])
    metadata.pre = "tekken"
    #expect(
      throws: TokenizerError.unsupported(
        path: "tokenizer.ggml.pre",
        name: "tekken",
        supported: [
          "dbrx", "deepseek-r1-qwen", "default", "gpt-2", "llama-bpe", "llama-v3", "llama3", "olmo",
          "qwen2", "smollm",
        ]
      )
    ) { try Tokenizer(metadata: metadata) }
  }

  @Test func missingFieldsAreNamed() {
    #expect(Self.error { $0.scores = nil } == .missingField(path: "tokenizer.ggml.scores"))
    #expect(Self.error { $0.tokens = [] } == .missingField(path: "tokenizer.ggml.tokens"))
    #expect(Self.error { $0.bosID = nil } == .missingField(path: "tokenizer.ggml.bos_token_id"))
  }

  @Test func brokenFieldsSayWhere() {
    #expect(
      Self.error { $0.scores?.removeLast() }
        == Self.invalid("scores", "266 entries, one a token", "265")
    )
    #expect(
      Self.error { $0.scores?[4] = .nan } == Self.invalid("scores[4]", "a number", "nan")
    )
    #expect(
      Self.error { $0.tokenTypes?[4] = 9 } == Self.invalid("token_type[4]", "1 to 6", "9")
    )
    #expect(
      Self.error { $0.bosID = 266 }
        == Self.invalid("bos_token_id", "an id below 266", "266")
    )
    #expect(
      Self.error { $0.tokens[1] = [0xFF] }
        == Self.invalid("tokens[1]", "UTF-8 in a special token", "other bytes")
    )
    #expect(
      Self.error { $0.tokens[260] = $0.tokens[261] }
        == Self.invalid("tokens", "distinct tokens", "ids 260 and 261 alike")
    )
  }

  /// The tokenizer.json that a vocabulary writes is the same tokenizer.
  @Test func theWrittenDocumentGivesTheSameIDs() throws {
    let metadata = Self.scored(Self.pieces, userDefined: ["\n\n"])
    let direct = try Tokenizer(metadata: metadata)
    let written = try Tokenizer(json: .object(try metadata.document()))
    for text in ["", "aba ab", "a\n\nb é", "</s>a", "  ab ▁a"] {
      #expect(written.encode(text) == direct.encode(text), "\(text)")
      let ids = direct.encode(text)
      #expect(written.decode(ids) == direct.decode(ids), "\(text)")
    }
  }

  /// Tokens that are no UTF-8 are bytes like any other.
  @Test func tokensNeedNotBeText() throws {
    var metadata = Self.scored(Self.pieces)
    metadata.tokens[260] = [0xE2, 0x96]
    metadata.tokens[261] = [0x81]
    let tokenizer = try Tokenizer(metadata: metadata)
    #expect(
      tokenizer.decode([260, 261]) == "\u{FFFD}\u{FFFD}" || tokenizer.decode([260, 261]) == "▁"
    )
    #expect(tokenizer.decode(tokenizer.encode("a ▁ b é")).contains("é"))
  }

  /// Names that stand for a rule of another name.
  @Test(arguments: [("llama3", "llama-bpe"), ("deepseek-r1-qwen", "qwen2"), ("olmo", "gpt-2")])
  func otherNamesMeanTheSameRule(_ name: String, _ usual: String) throws {
    func ids(_ pre: String) throws -> [Int32] {
      var metadata = TokenizerMetadata(
        model: "gpt2",
        tokens: (TinyTokenizers.alphabet + ["Ġa", "12", "123"]).map { Array($0.utf8) },
        merges: ["Ġ a", "1 2", "12 3"].map { Array($0.utf8) }
      )
      metadata.pre = pre
      metadata.addsBOS = false
      return try Tokenizer(metadata: metadata).encode("a a 12345 é's")
    }
    #expect(try ids(name) == ids(usual))
  }

  /// The vocabulary of a BERT as llama.cpp's converter writes it: ▁ in front of words, `##` dropped.
  @Test func wordPiecesGiveTheIDsOfTheirTokenizer() throws {
    let folder = Fixtures.checkout + "/Tests/Fixtures/transformer/tokenizers/wordpiece-bert/"
    let file = try JSONValue.read(folder + "tokenizer.json")
    let vocabulary = try #require(file["model"]?["vocab"]?.objectValue)
    var tokens = [[UInt8]](repeating: [], count: vocabulary.keys.count)
    var types = [Int32](repeating: 1, count: tokens.count)
    for token in vocabulary.keys {
      let id = try #require(vocabulary[token]?.intValue)
      let isBracketed = token.hasPrefix("[") && token.hasSuffix("]")
      if isBracketed && token.count > 2 { types[id] = token == "[UNK]" ? 2 : 3 }
      let stored = token.hasPrefix("##") ? String(token.dropFirst(2)) : "▁" + token
      tokens[id] = Array((isBracketed ? token : stored).utf8)
    }
    var metadata = TokenizerMetadata(model: "bert", tokens: tokens)
    metadata.tokenTypes = types
    let tokenizer = try Tokenizer(metadata: metadata)
    let cases = try #require(JSONValue.read(folder + "expected.json")["cases"]?.arrayValue)
    #expect(cases.count > 10)
    for item in cases {
      let text = try #require(item["text"]?.stringValue)
      if text.contains("▁") { continue }  // such files cannot tell `##▁` from the mark
      let wanted = (item["ids_with_special"]?.arrayValue ?? []).compactMap(\.intValue)
      #expect(tokenizer.encode(text).map { Int($0) } == wanted, "\(text)")
      let ids = tokenizer.encode(text, addSpecialTokens: false)
      let decoded = tokenizer.decode(ids, skipSpecialTokens: false)
      #expect(decoded == item["decoded"]?.stringValue)
    }
  }
}
