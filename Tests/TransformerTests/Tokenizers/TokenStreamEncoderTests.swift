import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing
import Transformer

@Suite struct TokenStreamEncoderTests {
  /// The trained tokenizers of the fixtures: byte-level ones stream, others wait for the end.
  @Test(arguments: TokenizerConformance.kinds)
  func partsHaveTheIdsOfTheWhole(_ kind: String) throws {
    let folder = Fixtures.folder("transformer/tokenizers/\(kind)")
    let tokenizer = try Tokenizer(contentsOf: URL(fileURLWithPath: folder))
    var generator = Philox(seed: 21)
    for length in [0, 1, 40, 400, 4000] {
      let text = TinyTokenizers.proseLikeText(length, using: &generator)
      for addsSpecial in [true, false] {
        let whole = tokenizer.encode(text, addSpecialTokens: addsSpecial)
        var encoder = tokenizer.makeStreamEncoder(addSpecialTokens: addsSpecial)
        for partLength in [1, 13, 1000] {
          var ids: [Int32] = []
          for part in text.parts(of: partLength) { ids += encoder.append(part) }
          ids += encoder.finish()
          #expect(ids == whole, "\(kind), parts of \(partLength): \(text.debugDescription)")
        }
      }
    }
  }

  @Test func mostIdsComeBeforeTheEnd() throws {
    let tokenizer = try Tokenizer(json: TinyTokenizers.byteLevel())
    var encoder = tokenizer.makeStreamEncoder()
    var early = 0
    for _ in 0..<100 { early += encoder.append("some words and then\nmore. ").count }
    #expect(encoder.finish().count < 30)
    #expect(early > 2500)
  }

  /// An added token with a space in it, or one that takes the spaces beside it, forbids cuts.
  @Test(
    arguments: [
      TinyTokenizers.added(256, "<two words>"),
      TinyTokenizers.added(256, "word", [("lstrip", true)]),
    ]
  )
  func addedTokensAreNotCut(_ token: JSONValue) throws {
    let tokenizer = try Tokenizer(json: TinyTokenizers.byteLevel(added: [token]))
    let text = "a <two words> word and word\nword"
    var encoder = tokenizer.makeStreamEncoder()
    var ids: [Int32] = []
    for part in text.parts(of: 1) { ids += encoder.append(part) }
    #expect(ids + encoder.finish() == tokenizer.encode(text))
  }

  /// Long texts are cut into pieces part by part; the ids are those of the short ones in a row.
  @Test func longTextsAreEncodedInParts() throws {
    let tokenizer = try Tokenizer(
      json: TinyTokenizers.byteLevel(merges: [("a", "b"), ("Ġ", "ab"), ("ab", "ab")])
    )
    var generator = Philox(seed: 22)
    let text = TinyTokenizers.proseLikeText(150_000, using: &generator) + " abab ab"
    #expect(text.utf8.count > 1 << 17)
    var encoder = tokenizer.makeStreamEncoder()
    var ids: [Int32] = []
    for part in text.parts(of: 5000) { ids += encoder.append(part) }
    ids += encoder.finish()
    #expect(tokenizer.encode(text) == ids)
    #expect(tokenizer.decode(ids) == text)
  }
}

extension String {
  /// The text in parts of so many scalars.
  func parts(of length: Int) -> [String] {
    var (parts, rest) = ([String](), unicodeScalars[...])
    while !rest.isEmpty {
      parts.append(String(rest.prefix(length)))
      rest = rest.dropFirst(length)
    }
    return parts
  }
}

extension TinyTokenizers {
  /// A text of words, numbers, marks and line breaks in several scripts, with runs of white space.
  static func proseLikeText(_ length: Int, using generator: inout Philox) -> String {
    let letters = Array("aaabbcdeeefghino'sté漢字漢あ яñ12.,!?-=\u{301}😀٣".unicodeScalars)
    let spaces = ["\n", "\n\n", "  ", "\r\n", "\t", "\u{3000}", " \n ", "\u{A0}"]
    var text = String.UnicodeScalarView()
    for _ in 0..<length {
      let draw = generator.nextWord()
      switch draw % 8 {
      case 0, 1: text.append(" ")
      case 2 where draw >> 8 & 3 == 0:
        text.append(contentsOf: spaces[Int((draw >> 12) % 8)].unicodeScalars)
      default: text.append(letters[Int((draw >> 8) % UInt32(letters.count))])
      }
    }
    return String(text)
  }
}
