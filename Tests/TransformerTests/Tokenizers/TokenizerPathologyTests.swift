import Checkpoints
import Foundation
import TestSupport
import Testing
import Transformer

/// Texts that make careless tokenizers quadratic: up to a megabyte of one thing.
@Suite struct TokenizerPathologyTests {
  private static let texts: [(name: String, text: String)] = [
    ("letters", String(repeating: "a", count: 1 << 20)),
    ("pairs", String(repeating: "ab", count: 1 << 17)),
    ("spaces", String(repeating: " ", count: 1 << 20)),
    ("line breaks", String(repeating: "\n", count: 1 << 18)),
    ("mixed white space", String(repeating: " \n\t", count: 1 << 16)),
    ("apostrophes", String(repeating: "'", count: 1 << 18)),
    ("brackets", String(repeating: "<", count: 1 << 18)),
    ("digits", String(repeating: "7", count: 1 << 18)),
    ("marks", "e" + String(repeating: "\u{301}\u{323}", count: 1 << 16)),
    ("jamo", String(repeating: "\u{1100}\u{1161}\u{11A8}", count: 1 << 15)),
    ("metaspaces", String(repeating: "▁", count: 1 << 16)),
    ("half tokens", String(repeating: "<|endoftext|", count: 1 << 14)),
  ]

  @Test(.timeLimit(.minutes(10)), arguments: TokenizerConformance.kinds)
  func longRunsOfAnythingEnd(_ kind: String) throws {
    let folder = Fixtures.folder("transformer/tokenizers/\(kind)")
    let tokenizer = try Tokenizer(contentsOf: URL(fileURLWithPath: folder))
    for (name, text) in Self.texts {
      let clock = ContinuousClock()
      let start = clock.now
      let ids = tokenizer.encode(text, addSpecialTokens: false)
      let decoded = tokenizer.decode(ids)
      let elapsed = start.duration(to: clock.now)
      // Linear work takes well under a second, quadratic work minutes.
      #expect(elapsed < .seconds(20), "\(kind), \(name): \(elapsed)")
      #expect(ids.count <= 4 * text.utf8.count)
      #expect(decoded.utf8.count <= 4 * text.utf8.count)
    }
  }
}
