import Checkpoints
import Tensor
import Testing
import Transformer

/// What holds for any text: round trips, normalization, added tokens, streams.
@Suite struct TokenizerTextTests {
  private static let llama3 =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"#
    + #" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

  /// The pre-tokenizers of the byte-level families.
  private static let preTokenizers: [JSONValue] = [
    ["type": "ByteLevel", "add_prefix_space": false],
    [
      "type": "Sequence",
      "pretokenizers": [
        ["type": "Digits", "individual_digits": true],
        ["type": "ByteLevel", "add_prefix_space": false],
      ],
    ],
    [
      "type": "Sequence",
      "pretokenizers": [
        [
          "type": "Split", "pattern": ["Regex": .string(llama3)], "behavior": "Isolated",
          "invert": false,
        ],
        ["type": "ByteLevel", "add_prefix_space": false, "use_regex": false],
      ],
    ],
  ]

  @Test(arguments: 0..<preTokenizers.count)
  func byteLevelRoundTripsAnyText(_ index: Int) throws {
    let merges = [("Ġ", "a"), ("e", "r"), ("Ã", "©"), ("Ċ", "Ċ")]
    let tokenizer = try Tokenizer(
      json: TinyTokenizers.byteLevel(merges: merges, preTokenizer: Self.preTokenizers[index])
    )
    var generator = Philox(seed: UInt64(index))
    for length in 0..<300 {
      let text = TinyTokenizers.randomText(length % 40, using: &generator)
      let ids = tokenizer.encode(text)
      #expect(Array(tokenizer.decode(ids).utf8) == Array(text.utf8), "\(text.debugDescription)")
      expectSameStream(tokenizer, ids, text.debugDescription)
    }
  }

  /// Pieces show as merges that do or do not happen: x+y merges only within one piece.
  @Test(
    arguments: [
      // gpt2: a space goes with the word after it, the rest of a run is a piece of its own.
      (0, "  a", "Ġ", "Ġ", false), (0, " a", "Ġ", "a", true), (0, "'s", "'", "s", true),
      (0, "'S", "'", "S", false), (0, "12", "1", "2", true), (1, "12", "1", "2", false),
      (0, "\n\na", "Ċ", "Ċ", false), (0, "\n\n", "Ċ", "Ċ", true), (0, "a.", "a", ".", false),
      // llama3: up to three digits, punctuation joins letters, line breaks join punctuation.
      (2, "12", "1", "2", true), (2, "(a", "(", "a", true), (2, "!\n", "!", "Ċ", true),
      (2, "'S", "'", "S", true), (2, "\n\na", "Ċ", "Ċ", true), (2, "\ta", "ĉ", "a", true),
      (2, "\na", "Ċ", "a", false), (2, "1a", "1", "a", false),
    ] as [(Int, String, String, String, Bool)]
  )
  func splitPatternsCutWhereTheRegexDoes(
    _ index: Int,
    _ text: String,
    _ left: String,
    _ right: String,
    _ merges: Bool
  ) throws {
    let tokenizer = try Tokenizer(
      json: TinyTokenizers.byteLevel(
        merges: [(left, right)],
        preTokenizer: Self.preTokenizers[index]
      )
    )
    #expect(tokenizer.encode(text).contains(256) == merges)
  }

  @Test func digitsComeInGroupsOfThreeFromTheLeft() throws {
    // 1+1 → 256, 11+1 → 257: "11111" is 111|11.
    let tokenizer = try Tokenizer(
      json: TinyTokenizers.byteLevel(
        merges: [("1", "1"), ("11", "1")],
        preTokenizer: Self.preTokenizers[2]
      )
    )
    #expect(tokenizer.encode("11111") == [257, 256])
  }

  // MARK: - Added tokens

  @Test func addedTokensAreCutOutLongestFirst() throws {
    let added = [
      TinyTokenizers.added(300, "<a>"), TinyTokenizers.added(301, "<a><b>"),
      TinyTokenizers.added(302, "<l>", [("lstrip", true)]),
      TinyTokenizers.added(303, "<r>", [("rstrip", true)]),
      TinyTokenizers.added(304, "word", isSpecial: false, [("single_word", true)]),
    ]
    let tokenizer = try Tokenizer(json: TinyTokenizers.byteLevel(added: added))
    #expect(tokenizer.encode("<a><b><a>x") == [301, 300, 120])
    #expect(tokenizer.encode("x \n<l> x") == [120, 302, 32, 120])
    #expect(tokenizer.encode("x <r>\u{3000} x") == [120, 32, 303, 120])
    #expect(tokenizer.encode("word-word") == [304, 45, 304])
    #expect(!tokenizer.encode("sword words").contains(304))
    #expect(tokenizer.decode([301, 120, 304]) == "xword")
    #expect(tokenizer.decode([301, 120], skipSpecialTokens: false) == "<a><b>x")
    #expect(tokenizer.specialTokens["<a>"] == 300)
    #expect(tokenizer.vocabularyCount == 305)
  }

  @Test func plainTextNeverBecomesASpecialToken() throws {
    let json = TinyTokenizers.byteLevel(added: [TinyTokenizers.added(300, "<|im_end|>")])
    let tokenizer = try Tokenizer(json: json)
    #expect(tokenizer.encode("a<|im_end|>") == [97, 300])
    let plain = tokenizer.encode("a<|im_end|>", specialTokenText: .plain)
    #expect(!plain.contains(300))
    #expect(tokenizer.decode(plain) == "a<|im_end|>")
  }

  @Test func plainTextIsNoSpecialTokenInAUnigramVocabularyEither() throws {
    let json: JSONValue = [
      "added_tokens": [TinyTokenizers.added(1, "</s>")],
      "model": [
        "type": "Unigram", "unk_id": 0,
        "vocab": [
          ["<unk>", 0.0], ["</s>", 0.0], ["<", -2.0], ["/", -2.0], ["s", -2.0], [">", -2.0],
        ],
      ],
    ]
    let tokenizer = try Tokenizer(json: json)
    #expect(tokenizer.encode("</s>") == [1])
    #expect(tokenizer.encode("</s>", specialTokenText: .plain) == [2, 3, 4, 5])
  }

  // MARK: - Look-up

  @Test func tokensAreFoundInTheSpellingOfTheFile() throws {
    let tokenizer = try Tokenizer(json: TinyTokenizers.byteLevel(merges: [("Ġ", "a")]))
    #expect(tokenizer.id(of: "Ġa") == 256)
    #expect(tokenizer.id(of: " a") == nil)
    #expect(tokenizer.token(for: 256) == "Ġa")
    #expect(tokenizer.token(for: 257) == nil)
    #expect(tokenizer.token(for: -1) == nil)
    #expect(tokenizer.decode([-1, 97, 9_999]) == "a")
  }

  /// Composed and decomposed é are one `String`, but two tokens.
  @Test func canonicallyEquivalentTokensStayApart() throws {
    let json = TinyTokenizers.metaspace(["<unk>", "\u{E9}", "e\u{301}", "e", "\u{301}"])
    let tokenizer = try Tokenizer(json: json)
    #expect(tokenizer.id(of: "\u{E9}") == 1)
    #expect(tokenizer.id(of: "e\u{301}") == 2)
    #expect(tokenizer.encode("\u{E9}e\u{301}") == [1, 3, 4])
  }
}
