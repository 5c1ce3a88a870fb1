import Checkpoints
import Tensor
import Testing
import Transformer

@Suite struct BytePairTokenizerTests {
  /// Merges in order: a+b → 256, b+c → 257, ab+c → 258, ab+ab → 259.
  private static let merges = [("a", "b"), ("b", "c"), ("ab", "c"), ("ab", "ab")]

  @Test(
    arguments: [
      // "abc": a b c → [ab] c by rank 0 → [abc] by rank 2; b+c is gone by then.
      ("abc", [258]),
      // "bcab": rank 0 first makes ab on the right, rank 1 then bc on the left.
      ("bcab", [257, 256]),
      // "ababab": ab ab ab, then the leftmost pair of equal rank.
      ("ababab", [259, 256]),
      // "aab": a stays.
      ("aab", [97, 256]),
      ("", []),
      ("cc", [99, 99]),
    ] as [(String, [Int32])]
  )
  func mergesByRankThenFromTheLeft(_ text: String, _ ids: [Int32]) throws {
    let tokenizer = try Tokenizer(json: TinyTokenizers.byteLevel(merges: Self.merges))
    #expect(tokenizer.encode(text) == ids)
    #expect(tokenizer.decode(ids) == text)
  }

  /// The heap of long pieces and the scan of short ones are two ways to the same ids.
  @Test func longPiecesMergeLikeShortOnes() throws {
    let tokenizer = try Tokenizer(json: TinyTokenizers.byteLevel(merges: Self.merges))
    let naive = NaiveMerger(Self.merges)
    var generator = Philox(seed: 7)
    for length in 1...120 {
      let text = String((0..<length).map { _ in ["a", "b", "c"][generator.integer(below: 3)] })
      #expect(tokenizer.encode(text) == naive.encode(text), "\(text)")
    }
  }

  @Test func aWholePieceIsTakenFirstOnlyWithIgnoreMerges() throws {
    // "cab" is in the vocabulary, but no merge leads to it: c+ab.
    let merges = [("a", "b"), ("c", "a"), ("ca", "b")]
    for (ignores, ids) in [(false, [99, 256]), (true, [258])] as [(Bool, [Int32])] {
      let json = TinyTokenizers.byteLevel(
        merges: merges,
        settings: [("ignore_merges", .bool(ignores))]
      )
      #expect(try Tokenizer(json: json).encode("cab") == ids)
    }
  }

  @Test func missingBytesAreDroppedWithoutUnknownToken() throws {
    let json: JSONValue = [
      "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false],
      "decoder": ["type": "ByteLevel"],
      "model": ["type": "BPE", "vocab": ["a": 0, "b": 1], "merges": []],
    ]
    #expect(try Tokenizer(json: json).encode("axb") == [0, 1])
  }

  @Test func scalarsWithoutTokenBecomeBytesOrUnknown() throws {
    let bytes = (0..<256).map { byte in
      "<0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true) + ">"
    }
    // <unk> 0, bytes 1…256, ▁ 257, a 258, ▁a 259
    let tokens = ["<unk>"] + bytes + ["▁", "a", "▁a"]
    let full = try Tokenizer(json: TinyTokenizers.metaspace(tokens, merges: [("▁", "a")]))
    #expect(full.encode("a aé") == [258, 259, 1 + 0xC3, 1 + 0xA9])
    #expect(full.decode([258, 259, 1 + 0xC3, 1 + 0xA9]) == "a aé")
    // Without byte tokens neighbouring unknowns are one.
    let few = try Tokenizer(json: TinyTokenizers.metaspace(["<unk>", "▁", "a"]))
    #expect(few.encode("éëa é") == [0, 2, 1, 0])
  }

  /// A vocabulary with tokens across ▁ must merge across it.
  @Test func tokensMayCrossAMetaspace() throws {
    let tokens = ["<unk>", "▁", "a", ">", ">▁", ">▁a", "▁▁", "a▁a"]
    let crossing = [(">", "▁"), (">▁", "a"), ("▁", "▁")]
    let tokenizer = try Tokenizer(json: TinyTokenizers.metaspace(tokens, merges: crossing))
    #expect(tokenizer.encode("a> a") == [2, 5])
    #expect(tokenizer.encode("a a>  a") == [2, 1, 2, 4, 1, 2])
    #expect(tokenizer.encode("a  a") == [2, 6, 2])
  }

  @Test func bothMergeFormsGiveTheSameTokenizer() throws {
    var model = try #require(TinyTokenizers.byteLevel(merges: Self.merges)["model"]?.objectValue)
    model["merges"] = .array(Self.merges.map { .string("\($0.0) \($0.1)") })
    var file = try #require(TinyTokenizers.byteLevel(merges: Self.merges).objectValue)
    file["model"] = .object(model)
    #expect(try Tokenizer(json: .object(file)).encode("ababc") == [256, 258])
  }
}

/// Byte-pair merging as its definition says: find the lowest rank, merge its first place, repeat.
private struct NaiveMerger {
  let merges: [(String, String)]

  init(_ merges: [(String, String)]) { self.merges = merges }

  func encode(_ text: String) -> [Int32] {
    var symbols = text.map(String.init)
    while true {
      var best: (rank: Int, place: Int)?
      for place in symbols.indices.dropLast() {
        let rank = merges.firstIndex { $0 == (symbols[place], symbols[place + 1]) }
        if let rank, rank < (best?.rank ?? .max) { best = (rank, place) }
      }
      guard let best else { break }
      symbols[best.place] += symbols.remove(at: best.place + 1)
    }
    return symbols.map { symbol in
      if let merged = merges.firstIndex(where: { $0.0 + $0.1 == symbol }) {
        return Int32(256 + merged)
      }
      return Int32(symbol.utf8.first ?? 0)
    }
  }
}
