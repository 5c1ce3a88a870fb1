import Foundation
import Tensor
import TestSupport
import Testing
import Transformer

@Suite struct TuningDataTests {
  private func examples(
    _ lines: String,
    _ format: TuningFormat
  ) throws -> TuningExamples {
    try withTemporaryFolder { folder in
      try Data(lines.utf8).write(to: URL(filePath: folder + "/data.jsonl"))
      return try TuningExamples(path: folder + "/data.jsonl", format: format)
    }
  }

  @Test func linesOfAllKindsAreRead() throws {
    let examples = try examples(
      "\u{FEFF}"
        + #"""
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}

        {"prompt": "a", "response": "b", "source": 3}
        {"prompt": "a", "completion": "b"}
        {"instruction": "a", "input": "", "output": "b"}
        {"instruction": "a", "output": "b"}
        """#,
      try TinyChat.format()
    )
    #expect(examples.count == 5)
    for index in 1..<5 { #expect(examples.example(index) == examples.example(0)) }
    #expect(examples.report.targets == 10 && examples.report.cut == 0)
  }

  @Test func batchesArePaddedWithWhatDoesNotCount() throws {
    let examples = TuningExamples([
      TuningExample(tokens: [5, 6, 7], isTarget: [false, false, true]),
      TuningExample(tokens: [8, 9, 10, 11], isTarget: [true, false, true, true]),
    ])
    let batch = examples[[0, 1]]
    #expect(batch.tokens.elements == [5, 6, 0, 8, 9, 10])
    #expect(batch.targets.elements == [-100, 7, -100, -100, 10, 11])
    #expect(examples[[0]].tokens.shape == [1, 2])
    #expect(examples.vocabularyCount == 12)
  }

  @Test func longExamplesAreCutAndThoseWithoutAResponseDropped() throws {
    let examples = try examples(
      #"""
      {"prompt": "ab", "response": "cdefgh"}
      {"prompt": "abcdefgh", "response": "i"}
      {"prompt": "a", "response": ""}
      {"prompt": "a", "response": "b"}
      """#,
      try TinyChat.format(nil, maximumLength: 4)
    )
    #expect(examples.report.examples == 2)
    #expect(examples.report.cut == 1 && examples.report.dropped == 2)
    #expect(examples.report.longest == 4)
    #expect(examples.example(0).tokens == [97, 98, 99, 100, 101])
    #expect(throws: TuningDataError.self) {
      try self.examples(
        #"{"prompt": "abcdefgh", "response": "i"}"#,
        try TinyChat.format(nil, maximumLength: 4)
      )
    }
  }

  @Test(arguments: [
    (#"{"prompt": "a""#, "offset"), (#"["a"]"#, "not an object"), (#"{"text": "a"}"#, "text"),
    (#"{"prompt": "a"}"#, "\"response\" is missing"),
    (#"{"prompt": 1, "response": "b"}"#, "\"prompt\" is"),
    (#"{"instruction": "a"}"#, "\"output\" is missing"),
    (#"{"messages": []}"#, "\"messages\""), (#"{"messages": [{"content": "a"}]}"#, "\"role\""),
    (#"{"messages": [{"role": "user", "content": 1}]}"#, "\"content\""),
    (#"{"messages": [{"role": "user", "content": "a"}]}"#, "nothing to learn"),
  ])
  func badLinesAreNamed(line: String, part: String) throws {
    let good = #"{"prompt": "a", "response": "b"}"#
    let error = try #require(throws: TuningDataError.self) {
      try examples("\(good)\n\n\(line)\n\(good)\n", try TinyChat.format())
    }
    guard case .line(_, let number, _) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(number == 3)
    #expect(error.description.contains("line 3"))
    if part != "offset" { #expect(error.description.contains(part), "\(error)") }
  }

  @Test func filesThatAreNoneAreSaid() throws {
    let format = try TinyChat.format()
    #expect(throws: TuningDataError.self) { try TuningExamples(path: "/nowhere", format: format) }
    let empty = try #require(throws: TuningDataError.self) { try examples("\n \n", format) }
    #expect(empty.description.contains("no examples"))
    // One line without an end, a little above the limit.
    let long = String(repeating: "a", count: TuningExamples.maximumLineByteCount + 1)
    let error = try #require(throws: TuningDataError.self) { try examples("{}" + long, format) }
    #expect(error.description.contains("line 1") && error.description.contains("longer than"))
  }

  @Test func linesAcrossPiecesAreWhole() throws {
    let text = String(repeating: "word ", count: 300_000)
    let line = #"{"prompt": "\#(text)", "response": "b"}"#
    let examples = try examples(
      line + "\n" + line,
      try TinyChat.format(nil, maximumLength: 2_000_000)
    )
    #expect(examples.count == 2)
    #expect(examples.report.longest == text.utf8.count + 1)
  }

  @Test func windowsCountEveryToken() {
    let file = TokenFile((0..<10).map { Int32($0) }, vocabularyCount: 10)
    let examples = TuningExamples(windowsOf: [file], length: 4, stride: 2)
    #expect(examples.count == 3 && examples.report.longest == 4)
    #expect(examples[[1]].targets.elements == [3, 4, 5, 6])
    #expect(examples.example(1).tokens == [2, 3, 4, 5, 6])
    #expect(TuningExamples(windowsOf: file, length: 4, count: 2).count == 2)
  }

  @Test func theFirstWindowsAreThoseOfAll() {
    let file = TokenFile((0..<10).map { Int32($0) }, vocabularyCount: 10)
    let all = TuningExamples(windowsOf: [file], length: 4, stride: 2)
    let first = all.prefix(2)
    #expect(first.count == 2 && first.report.targets == 8 && first.report.tokens == 10)
    #expect(first[[0, 1]].tokens == all[[0, 1]].tokens)
    #expect(first[[0, 1]].targets == all[[0, 1]].targets)
    #expect(all.prefix(9).count == 3)
  }
}
