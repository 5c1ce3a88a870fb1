import Checkpoints
import Foundation
import TestSupport
import Testing
import Transformer

/// A tokenizer.json as a GGUF vocabulary: the same ids, or a reason.
@Suite struct TokenizerMetadataFileTests {
  static let kinds = Fixtures.names(in: "transformer/tokenizers").filter { $0.hasPrefix("bpe-") }

  private func metadata(_ document: JSONValue, rowCount: Int) throws -> TokenizerMetadata {
    try TokenizerMetadata(
      document: document,
      tokenizer: Tokenizer(json: document),
      rowCount: rowCount
    )
  }

  @Test(arguments: kinds) func idsAreTheSame(kind: String) throws {
    let folder = Fixtures.folder("transformer/tokenizers/\(kind)")
    let original = try Tokenizer(contentsOf: URL(filePath: folder))
    let count = original.vocabularyCount + 3
    let found = try TokenizerMetadata(
      document: try JSONValue.read(folder + "/tokenizer.json"),
      tokenizer: original,
      rowCount: count
    )
    #expect(found.tokens.count == count && found.tokenTypes?.suffix(3) == [5, 5, 5])
    let converted = try throughFile(found)
    let cases = try TokenizerCases(path: folder + "/expected.json").cases
    #expect(!cases.isEmpty)
    for item in cases {
      let text = try #require(item["text"]?.stringValue)
      #expect(converted.encode(text) == original.encode(text), "\(text.debugDescription)")
      let plain = original.encode(text, addSpecialTokens: false)
      #expect(converted.decode(plain) == original.decode(plain), "\(text.debugDescription)")
    }
    #expect(converted.bosID == original.bosID && converted.eosID == original.eosID)
  }

  /// The tokenizer that a reader makes of the metadata in a file.
  private func throughFile(_ metadata: TokenizerMetadata) throws -> Tokenizer {
    try withTemporaryFolder { folder in
      let path = folder + "/x.gguf"
      let keys = [(key: "general.architecture", value: GGUFField.string("llama"))]
      try GGUFWriter(path: path, metadata: keys + metadata.fields, tensors: []).finish()
      return try Tokenizer(gguf: GGUFFile(path: path))
    }
  }

  /// The last two were trained on merges, not on SentencePiece's scores.
  @Test(arguments: ["unigram", "wordpiece-bert", "spm-bpe-gemma", "spm-bpe-llama2"])
  func otherModelsAreRefused(kind: String) throws {
    let path = Fixtures.folder("transformer/tokenizers/\(kind)") + "/tokenizer.json"
    let document = try JSONValue.read(path)
    #expect(throws: TokenizerError.self) { try metadata(document, rowCount: 100_000) }
  }

  @Test func whatTheFormatCannotSayIsRefused() throws {
    func reason(_ document: JSONValue, rowCount: Int = 300) throws -> String {
      let error = #expect(throws: TokenizerError.self) {
        try metadata(document, rowCount: rowCount)
      }
      return "\(try #require(error))"
    }
    let stripping = TinyTokenizers.added(256, "<mask>", [("lstrip", true)])
    #expect(try reason(TinyTokenizers.byteLevel(added: [stripping])).contains("lstrip"))
    let digits: JSONValue = [
      "type": "Sequence",
      "pretokenizers": [
        ["type": "Digits", "individual_digits": false],
        ["type": "ByteLevel", "add_prefix_space": false, "use_regex": true],
      ],
    ]
    let split = TinyTokenizers.byteLevel(preTokenizer: digits)
    #expect(try reason(split).contains("smollm"))
    #expect(try reason(TinyTokenizers.byteLevel(), rowCount: 200).contains("below 200"))
  }

  /// Readers merge wherever two tokens make a third, so a list that leaves such a merge out has
  /// other ids.
  @Test func mergesThatScoresDoNotImplyAreRefused() throws {
    let tokens = ["<unk>", "a", "b", "c", "ab", "bc", "abc"]
    let all = [("a", "b"), ("b", "c"), ("ab", "c"), ("a", "bc")]
    let complete = try metadata(TinyTokenizers.metaspace(tokens, merges: all), rowCount: 7)
    #expect(complete.scores == [-4, -4, -4, -4, 0, -1, -2])
    let partial = TinyTokenizers.metaspace(tokens, merges: all.dropLast())
    #expect(throws: TokenizerError.self) { try metadata(partial, rowCount: 7) }
    let torn = TinyTokenizers.metaspace(tokens, merges: [all[2], all[0], all[1], all[3]])
    #expect(throws: TokenizerError.self) { try metadata(torn, rowCount: 7) }
  }
}
