import Checkpoints
import Tensor
import Testing
import Transformer

/// The normalization forms, seen through a byte-level tokenizer that decodes what it normalized.
@Suite struct UnicodeNormalizerTests {
  private static func normalizer(_ form: String) throws -> (String) -> String {
    let tokenizer = try Tokenizer(
      json: TinyTokenizers.byteLevel(normalizer: ["type": .string(form)])
    )
    return { tokenizer.decode(tokenizer.encode($0)) }
  }

  @Test(arguments: [
    ("NFC", "e\u{301}", "\u{E9}"), ("NFD", "\u{E9}", "e\u{301}"),
    // Marks are sorted by class: dot below (220) before acute (230), then composed.
    ("NFD", "e\u{301}\u{323}", "e\u{323}\u{301}"), ("NFC", "e\u{301}\u{323}", "\u{1EB9}\u{301}"),
    // Hangul by arithmetic, LV + T included.
    ("NFC", "\u{1100}\u{1161}\u{11A8}", "\u{AC01}"), ("NFC", "\u{AC00}\u{11A8}", "\u{AC01}"),
    ("NFD", "\u{AC01}", "\u{1100}\u{1161}\u{11A8}"),
    // Singletons and exclusions never come back.
    ("NFC", "\u{212B}", "\u{C5}"), ("NFC", "\u{958}", "\u{915}\u{93C}"),
    ("NFC", "\u{344}", "\u{308}\u{301}"), ("NFC", "\u{2FA1D}", "\u{2A600}"),
    // A mark between blocks a starter, not a mark of another class.
    ("NFC", "a\u{300}\u{315}", "\u{E0}\u{315}"),
    ("NFC", "\u{1100}\u{300}\u{1161}", "\u{1100}\u{300}\u{1161}"),
    // Compatibility.
    ("NFKC", "\u{FB01}", "fi"), ("NFKC", "\u{FF21}", "A"), ("NFKC", "\u{1D518}", "U"),
    ("NFKC", "\u{1E9B}\u{323}", "\u{1E69}"), ("NFKD", "\u{1E9B}\u{323}", "s\u{323}\u{307}"),
    ("NFKC", "\u{3380}", "pA"), ("NFKC", "\u{BD}", "1\u{2044}2"), ("NFC", "\u{FB01}", "\u{FB01}"),
  ])
  func knownCases(_ form: String, _ text: String, _ expected: String) throws {
    let found = try Self.normalizer(form)(text)
    #expect(Array(found.utf8) == Array(expected.utf8), "\(form) of \(text.debugDescription)")
  }

  /// `String` compares by canonical equivalence, with the standard library's own tables.
  @Test func everyScalarStaysCanonicallyEquivalent() throws {
    let (composed, decomposed) = (try Self.normalizer("NFC"), try Self.normalizer("NFD"))
    for value in UInt32(0x80)..<0x32000 {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let text = String(Character(scalar))
      let (c, d) = (composed(text), decomposed(text))
      #expect(c == text && d == text, "U+\(String(value, radix: 16))")
      #expect(c.unicodeScalars.count <= d.unicodeScalars.count)
      let recomposed = composed(d)
      #expect(Array(recomposed.utf8) == Array(c.utf8), "U+\(String(value, radix: 16))")
    }
  }

  @Test func randomTextsStayEquivalentAndStable() throws {
    let (composed, decomposed) = (try Self.normalizer("NFC"), try Self.normalizer("NFD"))
    let compatible = try Self.normalizer("NFKC")
    var generator = Philox(seed: 3)
    for _ in 0..<400 {
      let text = TinyTokenizers.randomText(12, using: &generator)
      let (c, d) = (composed(text), decomposed(text))
      #expect(c == text && d == text, "\(text.debugDescription)")
      #expect(Array(composed(c).utf8) == Array(c.utf8))
      #expect(Array(composed(d).utf8) == Array(c.utf8))
      #expect(Array(decomposed(c).utf8) == Array(d.utf8))
      let k = compatible(text)
      #expect(Array(compatible(k).utf8) == Array(k.utf8), "\(text.debugDescription)")
    }
  }
}
