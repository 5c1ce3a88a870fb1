import Testing

@testable import Transformer

@Suite struct StopTextsTests {
  /// What passes, piece by piece, and what is left at the end.
  func pass(_ pieces: [String], stops: [String]) -> (pieces: [String], isStopped: Bool) {
    var filter = StopTexts(stops)
    var passed = pieces.map { filter.append($0) }
    passed.append(filter.finish())
    return (passed, filter.isStopped)
  }

  @Test func textEndsInFrontOfAStop() {
    let (pieces, isStopped) = pass(["One. ", "Two", "\n\nThree"], stops: ["\n\n"])
    #expect(pieces == ["One. ", "Two", "", ""] && isStopped)
  }

  @Test func whatMayBecomeAStopWaits() {
    let (pieces, isStopped) = pass(["a EN", "TER b", " END c"], stops: ["END"])
    #expect(pieces == ["a ", "ENTER b", " ", ""] && isStopped)
    #expect(pass(["a EN"], stops: ["END"]).pieces == ["a ", "EN"])
  }

  @Test func theFirstStopInTheTextCounts() {
    #expect(pass(["x##stop"], stops: ["stop", "##"]).pieces == ["x", ""])
    #expect(pass(["aab", "aac"], stops: ["aac", "zz"]).pieces.joined() == "aab")
  }

  @Test func charactersStayWhole() {
    // É and È share their first byte.
    let (pieces, isStopped) = pass(["caf", "É", "s"], stops: ["È"])
    #expect(pieces.joined() == "cafÉs" && !isStopped)
    #expect(pass(["日本", "語です"], stops: ["語で"]).pieces.joined() == "日本")
  }

  @Test func emptyStopsAndNoStopsLetEverythingThrough() {
    #expect(pass(["a", "", "b"], stops: [""]).pieces == ["a", "", "b", ""])
    #expect(pass(["a"], stops: []).pieces == ["a", ""])
  }

  /// Splitting the text must not change what passes.
  @Test func piecesDoNotMatter() {
    let text = Array("abcabdabcabcE the abcabcabcd end")
    for stop in ["abcabcE", "abcabcabcd", "nd", "abd", "zzz", " "] {
      let whole = pass([String(text)], stops: [stop]).pieces.joined()
      for size in 1...5 {
        let pieces = stride(from: 0, to: text.count, by: size).map {
          String(text[$0..<min($0 + size, text.count)])
        }
        #expect(pass(pieces, stops: [stop]).pieces.joined() == whole)
      }
    }
  }
}
