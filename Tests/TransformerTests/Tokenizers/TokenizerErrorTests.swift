import Checkpoints
import Foundation
import TestSupport
import Testing
import Transformer

/// Files that are refused: which error, and where it points.
@Suite struct TokenizerErrorTests {
  /// A valid file with one top-level field replaced.
  private static func file(_ key: String, _ value: JSONValue) -> JSONValue {
    var file = TinyTokenizers.byteLevel().objectValue ?? JSONObject()
    file[key] = value
    return .object(file)
  }

  private static func model(_ settings: [(String, JSONValue)]) -> JSONValue {
    TinyTokenizers.byteLevel(settings: settings)
  }

  private static func error(_ json: JSONValue) -> TokenizerError? {
    do {
      _ = try Tokenizer(json: json)
      return nil
    } catch {
      return error
    }
  }

  @Test(
    arguments: [
      ("version", "2.0", "version", "2.0"),
      ("normalizer", ["type": "Precompiled"], "normalizer.type", "Precompiled"),
      (
        "normalizer", ["type": "Sequence", "normalizers": [["type": "Nmt"]]],
        "normalizer.normalizers[0].type", "Nmt"
      ),
      ("pre_tokenizer", ["type": "UnicodeScripts"], "pre_tokenizer.type", "UnicodeScripts"),
      ("decoder", ["type": "CTC"], "decoder.type", "CTC"),
      ("post_processor", ["type": "Other"], "post_processor.type", "Other"),
      ("model", ["type": "WordLevel", "vocab": [:]], "model.type", "WordLevel"),
    ] as [(String, JSONValue, String, String)]
  )
  func unknownComponentsAreNamed(
    _ key: String,
    _ value: JSONValue,
    _ path: String,
    _ name: String
  ) throws {
    let error = try #require(Self.error(Self.file(key, value)))
    guard case .unsupported(path, name, let supported) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(!supported.isEmpty)
    #expect(error.description.contains("'\(name)' in '\(path)' is not supported; supported: "))
  }

  @Test func unknownRegularExpressionsListTheKnownOnes() throws {
    let split: JSONValue = [
      "type": "Split", "pattern": ["Regex": "(a+)+$"], "behavior": "Isolated", "invert": false,
    ]
    let error = try #require(Self.error(Self.file("pre_tokenizer", split)))
    guard case .unsupported("pre_tokenizer.pattern.Regex", "(a+)+$", let supported) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(supported.contains { $0.contains(#"\p{N}{1,3}"#) })
  }

  @Test(
    arguments: [
      (file("model", nil), .missingField(path: "model")),
      (file("model", ["type": "BPE"]), .missingField(path: "model.vocab")),
      (file("model", ["vocab": ["a": 0]]), .missingField(path: "model.type")),
      (file("model", 1), .invalidField(path: "model", expected: "an object", found: "1")),
      (
        file("model", ["type": "BPE", "vocab": ["a": -1], "merges": []]),
        .invalidField(path: "model.vocab.a", expected: "an id", found: "-1")
      ),
      (
        file("model", ["type": "BPE", "vocab": ["a": 0, "b": 0], "merges": []]),
        .invalidField(path: "model.vocab", expected: "one token an id", found: "two with id 0")
      ),
      (
        model([("merges", ["a"])]),
        .invalidField(
          path: "model.merges[0]",
          expected: "two tokens with one space between",
          found: "\"a\""
        )
      ),
      (model([("merges", [["a", "b"]])]), .unknownToken(path: "model.merges[0]", token: "ab")),
      (
        model([("merges", [["a"]])]),
        .invalidField(
          path: "model.merges[0]",
          expected: "\"left right\" or [left, right]",
          found: "a list"
        )
      ),
      (model([("unk_token", "<unk>")]), .unknownToken(path: "model.unk_token", token: "<unk>")),
      (
        model([("end_of_word_suffix", "</w>")]),
        .unsupported(
          path: "model.end_of_word_suffix",
          name: "</w>",
          supported: ["null", "\"\""]
        )
      ),
      (
        file("added_tokens", [["id": 5, "content": "a"]]),
        .invalidField(
          path: "added_tokens: id of \"a\"",
          expected: "97 as in model.vocab",
          found: "5"
        )
      ),
      (
        file("added_tokens", [["id": 2_000_000_000, "content": "<x>"]]),
        .limitExceeded(
          path: "added_tokens: largest id",
          limit: 257 + (1 << 20),
          found: 2_000_000_000
        )
      ),
      (
        file("model", ["type": "BPE", "vocab": ["a": 2_147_483_647], "merges": []]),
        .limitExceeded(
          path: "model.vocab: largest id",
          limit: 1 + (1 << 20),
          found: 2_147_483_647
        )
      ),
      (
        file(
          "post_processor",
          [
            "type": "TemplateProcessing", "special_tokens": [:],
            "single": [["SpecialToken": ["id": "<s>", "type_id": 0]]], "pair": [],
          ]
        ),
        .unknownToken(path: "post_processor.single[0].SpecialToken", token: "<s>")
      ),
      (
        file("model", ["type": "Unigram", "vocab": [], "unk_id": 0]),
        .unsupported(
          path: "pre_tokenizer",
          name: "ByteLevel with the model Unigram",
          supported: ["ByteLevel with the model BPE"]
        )
      ),
      (.array([]), .invalidField(path: "the file", expected: "an object", found: "a list")),
    ] as [(JSONValue, TokenizerError)]
  )
  func brokenFilesSayWhere(_ json: JSONValue, _ expected: TokenizerError) {
    #expect(Self.error(json) == expected)
  }

  @Test func tooLongATokenIsRefused() throws {
    let token = String(repeating: "a", count: 1_025)
    let error = Self.error(
      Self.file("model", ["type": "BPE", "vocab": [token: 0], "merges": []])
    )
    #expect(
      error == .limitExceeded(path: "model.vocab: bytes of token 0", limit: 1_024, found: 1_025)
    )
  }

  @Test func unreadableFilesNameThePath() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/tokenizer.json"
      let url = URL(fileURLWithPath: path)
      #expect(throws: TokenizerError.self) { try Tokenizer(contentsOf: url) }
      try Data("{\"version\": ".utf8).write(to: url)
      let error = #expect(throws: TokenizerError.self) { try Tokenizer(contentsOf: url) }
      guard case .invalidJSON? = error else {
        Issue.record("half a file: \(String(describing: error))")
        return
      }
    }
  }

  @Test func theSettingsBesideTheFileNameTheBoundaries() throws {
    try withTemporaryFolder { folder in
      let added = [TinyTokenizers.added(300, "<a>"), TinyTokenizers.added(301, "<b>")]
      let url = URL(fileURLWithPath: folder)
      try Data(TinyTokenizers.byteLevel(added: added).serializedBytes())
        .write(to: url.appending(path: "tokenizer.json"))
      #expect(try Tokenizer(contentsOf: url).bosID == nil)
      let settings: JSONValue = ["bos_token": "<a>", "eos_token": ["content": "<b>"]]
      try Data(settings.serializedBytes())
        .write(to: url.appending(path: "tokenizer_config.json"))
      let tokenizer = try Tokenizer(contentsOf: url)
      #expect(tokenizer.bosID == 300)
      #expect(tokenizer.eosID == 301)
    }
  }

  /// Every prefix of a file, and the file with each of its bytes replaced, is read or refused.
  @Test(.timeLimit(.minutes(10)))
  func damagedFilesNeverTrap() throws {
    for kind in TokenizerConformance.kinds {
      let path = Fixtures.file("transformer/tokenizers/\(kind)/tokenizer.json")
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
      let head = bytes.firstRange(of: Array("\"vocab\"".utf8))?.lowerBound ?? bytes.count
      for index in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 60)) {
        _ = try? Tokenizer(json: Data(bytes[..<index]))
      }
      for index in stride(from: 0, to: min(head, bytes.count), by: 11) {
        for byte in [0x30, 0x22, 0x5D, 0x2D] as [UInt8] {
          var damaged = bytes
          damaged[index] = byte
          if let tokenizer = try? Tokenizer(json: Data(damaged)) {
            _ = tokenizer.decode(tokenizer.encode("a <s> é 😀</s>"))
          }
        }
      }
    }
  }
}
