import Support
import Testing

@Suite struct TableTests {
  @Test func numbersStandAtTheRight() {
    var table = Table(["layer", .number("bits"), .number("bytes")])
    table.add("up", "4", "1,024")
    table.add("down", "16", "9")
    #expect(
      table.text() == """
        layer  bits  bytes
        ─────  ────  ─────
        up        4  1,024
        down     16      9
        """
    )
  }

  @Test(arguments: [
    ("plain", 5), ("é", 1), ("e\u{301}", 1), ("你好", 4), ("한", 2), ("🙂", 2), ("👩‍👩‍👧", 2), ("☂️", 2),
    ("\u{200B}", 0), ("", 0), ("ﬀ", 1), ("Ａ", 2),
  ])
  func widthIsWhatATerminalShows(text: String, columns: Int) {
    #expect(text.columnCount == columns)
  }

  @Test func wideNamesLineUp() {
    var table = Table(["名前", .number("n")])
    table.add("層一", "1")
    table.add("e\u{301}a", "22")
    let lines = table.text().split(separator: "\n")
    #expect(lines.allSatisfy { $0.columnCount == 8 })
  }

  @Test func theWidestWordsGiveWay() {
    var table = Table(["name", "storage", .number("bytes")])
    table.add("model.layers.10.self_attn.q_proj.weight", "F32", "16,384")
    let text = table.text(width: 40)
    #expect(text.split(separator: "\n").allSatisfy { $0.columnCount <= 40 })
    #expect(
      text.contains("model.layer…") && text.contains("proj.weight") && text.contains("16,384")
    )
    #expect(table.text(width: 5).contains("16,384"), "numbers are never cut")
  }

  @Test func rowsAreAsLongAsTheHead() {
    var table = Table(["a", "b"])
    table.add("1")
    table.add("1", "2", "3")
    #expect(table.rows == [["1", ""], ["1", "2"]])
  }

  @Test func namesCannotMoveTheCursor() {
    #expect("a\u{1B}[2Jb\nc".printable == "a\\u{1B}[2Jb\\u{A}c")
    #expect("a\u{202E}b".printable == "a\\u{202E}b")
    #expect("two\nlines\t\u{7}".printableLines == "two\nlines\t\\u{7}")
    #expect("naïve 🙂".printable == "naïve 🙂")
    var table = Table(["name"])
    table.add("x\u{1B}c")
    #expect(!table.text().contains("\u{1B}"))
  }

  @Test func barsInCellsAreNoBordersOfMarkdown() {
    let table = Table(["na|me", .number("n")], rows: [["a|b", "1"], ["x\u{1B}c"]])
    #expect(
      table.markdown == #"""
        | na\|me | n |
        | --- | ---: |
        | a\|b | 1 |
        | x\u{1B}c |  |
        """#
    )
  }

  @Test func shorteningKeepsBothEnds() {
    #expect("abcdefghij".shortened(to: 5) == "ab…ij")
    #expect("abc".shortened(to: 3) == "abc")
    #expect("你好世界".shortened(to: 5) == "你…界")
    #expect("abcdefghij".ending(columns: 4) == "…hij")
  }
}
