import Checkpoints
import Tensor
import Testing
import Transformer

@Suite struct TokenizerStreamTests {
  private static func byteLevel() throws -> Tokenizer {
    try Tokenizer(json: TinyTokenizers.byteLevel(added: [TinyTokenizers.added(300, "<e>")]))
  }

  @Test func aCharacterComesWhenItsLastByteDoes() throws {
    var stream = try Self.byteLevel().makeStreamDecoder()
    // é is C3 A9, € is E2 82 AC, 😀 is F0 9F 98 80.
    let pieces = [0x61, 0xC3, 0xA9, 0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x98, 0x80].map {
      stream.append($0)
    }
    #expect(pieces == ["a", "", "é", "", "", "€", "", "", "", "😀"])
    #expect(stream.finish().isEmpty)
  }

  @Test func whatCanBeNoCharacterComesAtOnce() throws {
    var stream = try Self.byteLevel().makeStreamDecoder()
    #expect(stream.append(0xFF) == "\u{FFFD}")
    #expect(stream.append(0xC3).isEmpty)
    #expect(stream.append(0x61) == "\u{FFFD}a")
    #expect(stream.append(0xE0).isEmpty)
    #expect(stream.append(0x80) == "\u{FFFD}\u{FFFD}")  // E0 needs A0…BF
    #expect(stream.append(0xF0).isEmpty)
    #expect(stream.append(300).isEmpty)
    #expect(stream.finish() == "\u{FFFD}")
  }

  @Test func randomIDsStreamAsTheyDecode() throws {
    let tokenizer = try Self.byteLevel()
    var generator = Philox(seed: 11)
    for _ in 0..<2_000 {
      // Lead and continuation bytes mostly, so that broken characters of every kind arise.
      let ids = (0..<8).map { _ in
        generator.integer(below: 4) == 0
          ? Int32(generator.integer(below: 302)) : Int32(0x80 + generator.integer(below: 128))
      }
      expectSameStream(tokenizer, ids, "\(ids)")
      let bytes = ids.filter { $0 < 256 }.map { UInt8($0) }
      #expect(tokenizer.decode(ids) == String(decoding: bytes, as: UTF8.self))
    }
  }

  @Test func byteTokensAreTextOnlyAsAWhole() throws {
    let bytes = ["<0xC3>", "<0xA9>", "<0x41>"]
    let tokenizer = try Tokenizer(json: TinyTokenizers.metaspace(["<unk>", "▁a"] + bytes))
    var stream = tokenizer.makeStreamDecoder()
    #expect(stream.append(2).isEmpty)
    #expect(stream.append(3).isEmpty)
    #expect(stream.append(1) == "é a")
    #expect(stream.append(4).isEmpty)
    #expect(stream.append(2).isEmpty)
    #expect(stream.finish() == "\u{FFFD}\u{FFFD}")
    #expect(tokenizer.decode([2, 3, 1, 4, 2]) == "é a\u{FFFD}\u{FFFD}")
  }

  @Test func wordPieceJoinsContinuationsAndPunctuation() throws {
    let json: JSONValue = [
      "decoder": ["type": "WordPiece", "prefix": "##", "cleanup": true],
      "pre_tokenizer": ["type": "BertPreTokenizer"],
      "model": [
        "type": "WordPiece", "unk_token": "[UNK]",
        "vocab": ["[UNK]": 0, "un": 1, "##able": 2, ".": 3, "n't": 4, "##a": 5],
      ],
    ]
    let tokenizer = try Tokenizer(json: json)
    #expect(tokenizer.encode("unable un. x") == [1, 2, 1, 3, 0])
    #expect(tokenizer.decode([1, 2, 1, 3, 4]) == "unable un.n't")
    expectSameStream(tokenizer, [2, 1, 2, 3, 1, 4, 5], "WordPiece")
  }
}
