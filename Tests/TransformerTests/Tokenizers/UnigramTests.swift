import Checkpoints
import Testing
import Transformer

@Suite struct UnigramTokenizerTests {
  private static func tokenizer(_ vocabulary: [(String, Double)]) throws -> Tokenizer {
    try Tokenizer(
      json: [
        "decoder": ["type": "Metaspace", "replacement": "▁", "prepend_scheme": "never"],
        "model": [
          "type": "Unigram", "unk_id": 0,
          "vocab": .array(vocabulary.map { .array([.string($0.0), .number($0.1)]) }),
        ],
      ])
  }

  @Test func theBestSumWins() throws {
    // "ab": a + b = −3, ab = −2.5. "abc": ab + c = −5.5, a + bc = −2: the latter.
    let tokenizer = try Self.tokenizer([
      ("<unk>", 0), ("a", -1), ("b", -2), ("ab", -2.5), ("bc", -1), ("c", -3),
    ])
    #expect(tokenizer.encode("ab") == [3])
    #expect(tokenizer.encode("abc") == [1, 4])
  }

  @Test func ofEqualSumsTheFirstFoundStays() throws {
    // At the end of "ab", the path through a + b is found after ab itself.
    let tokenizer = try Self.tokenizer([("<unk>", 0), ("a", -1), ("b", -1), ("ab", -2)])
    #expect(tokenizer.encode("ab") == [3])
  }

  @Test func neighbouringUnknownsAreOne() throws {
    let tokenizer = try Self.tokenizer([("<unk>", 0), ("a", -1)])
    #expect(tokenizer.encode("axéa") == [1, 0, 1])
    #expect(tokenizer.encode("é") == [0])
  }

  @Test func anUnknownCostsTenMoreThanTheLowestScore() throws {
    // "xabc": xa + b + c = −17; x unknown (−6 − 10) + abc = −16.5 or −17.5.
    for (score, ids) in [(-0.5, [0, 4]), (-1.5, [1, 2, 3])] as [(Double, [Int32])] {
      let tokenizer = try Self.tokenizer([
        ("<unk>", 0), ("xa", -5), ("b", -6), ("c", -6), ("abc", score),
      ])
      #expect(tokenizer.encode("xabc") == ids)
    }
  }
}
