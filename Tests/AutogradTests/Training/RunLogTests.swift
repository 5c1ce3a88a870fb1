import Autograd
import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct RunLogTests {
  private func text(_ path: String) throws -> String {
    String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
  }

  private func write(_ text: String, to path: String) throws {
    try Data(text.utf8).write(to: URL(filePath: path))
  }

  private let memory = MemoryUse(tensorBytes: 64, peakTensorBytes: 128, residentBytes: 4096)

  private func record(_ step: Int, _ metrics: [String: Double] = ["loss": 1]) -> RunRecord {
    RunRecord(step: step, seconds: Double(step), metrics: metrics, memory: memory)
  }

  private func line(_ step: Int) -> String {
    "{\"step\":\(step),\"epoch\":0,\"seconds\":\(step).0,\"metrics\":{\"loss\":1.0},"
      + "\"memory\":{\"tensors\":64,\"peak\":128,\"resident\":4096}}\n"
  }

  @Test func aLineIsTheDocumentedOne() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/a/b/log.jsonl"
      let log = try RunLog(path: path)
      try log.append(record(1, ["loss": 0.1, "a\"b": 2]))
      let expected =
        #"{"step":1,"epoch":0,"seconds":1.0,"metrics":{"a\"b":2.0,"loss":0.1},"#
        + #""memory":{"tensors":64,"peak":128,"resident":4096}}"# + "\n"
      #expect(try text(path) == expected)
    }
  }

  @Test func everyNumberComesBackAsItWas() throws {
    try withTemporaryFolder { folder in
      let values = [
        0, -0.0, 0.1, Double(Float(0.1)), 1e300, .leastNonzeroMagnitude, -1, 1e17, .infinity,
        -.infinity,
      ]
      let pairs = values.enumerated().map { ("m\($0)", $1) }
      let log = try RunLog(path: folder + "/log.jsonl")
      try log.append(record(3, Dictionary(uniqueKeysWithValues: pairs)))
      try log.append(step: 4, ["loss": Float.nan])
      let records = try RunLog.read(folder + "/log.jsonl")
      for (name, value) in pairs {
        #expect(records[0].metrics[name]?.bitPattern == value.bitPattern)
      }
      #expect(records[1].metrics["loss"]?.isNaN == true)
      #expect(records[0].memory == memory)
      #expect(try text(folder + "/log.jsonl").contains(#""loss":"NaN""#))
    }
  }

  @Test func theMemoryIsMeasured() throws {
    let tensor = Tensor<Float>.zeros([1 << 20])
    let use = MemoryUse.now()
    #expect(use.tensorBytes >= tensor.count * 4)
    #expect(use.peakTensorBytes >= use.tensorBytes)
    #if os(Linux) || canImport(Darwin)
      #expect(try #require(use.residentBytes) > tensor.count * 4)
    #endif
  }

  @Test func resumingRemovesLaterRecordsAndKeepsTheClock() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/log.jsonl"
      do {
        var time = 100.0
        let log = try RunLog(path: path) { time }
        for step in 1...5 {
          time += 2
          try log.append(step: step, ["loss": 1.0])
        }
      }
      var time = 7.0
      let log = try RunLog(path: path, resumingAfter: 3) { time }
      #expect(log.last?.step == 3)
      time += 0.5
      try log.append(step: 4, epoch: 1, ["loss": 0.5])
      let records = try RunLog.read(path)
      #expect(records.map(\.step) == [1, 2, 3, 4])
      #expect(records.map(\.seconds) == [2, 4, 6, 6.5])
      #expect(records.map(\.epoch) == [0, 0, 0, 1])
    }
  }

  @Test func severalRecordsOfOneStepStayTogether() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/log.jsonl"
      try write(line(1) + line(2) + line(2) + line(3), to: path)
      _ = try RunLog(path: path, resumingAfter: 2)
      #expect(try text(path) == line(1) + line(2) + line(2))
      _ = try RunLog(path: path, resumingAfter: 0)
      #expect(try text(path) == "")
    }
  }

  /// Whatever byte a process died at, reading gives the whole records and resuming cuts the rest.
  @Test func aTornLastLineIsDropped() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/log.jsonl"
      let whole = line(1) + line(2)
      for cut in 0..<line(3).utf8.count - 1 {
        try write(whole + String(decoding: line(3).utf8.prefix(cut), as: UTF8.self), to: path)
        #expect(try RunLog.read(path).map(\.step) == [1, 2])
        try RunLog(path: path, resumingAfter: 9).append(record(3))
        #expect(try text(path) == whole + line(3))
      }
    }
  }

  @Test func aLastLineWithoutLineFeedIsWhole() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/log.jsonl"
      try write(line(1) + String(line(2).dropLast()), to: path)
      #expect(try RunLog.read(path).map(\.step) == [1, 2])
      try RunLog(path: path, resumingAfter: 5).append(record(3))
      #expect(try text(path) == line(1) + line(2) + line(3))
      try write(line(1) + String(line(2).dropLast()), to: path)
      _ = try RunLog(path: path, resumingAfter: 1)
      #expect(try text(path) == line(1))
    }
  }

  @Test(arguments: [
    ("{\"step\":3", "json: unexpected end at byte 9"),
    ("", "json: unexpected end at byte 0"),
    ("[1]", "an object is needed, found a list"),
    ("{\"step\":1.5}", "\"step\" is not a count"),
    ("{\"step\":3,\"epoch\":0}", "no \"seconds\""),
    (
      "{\"step\":3,\"epoch\":0,\"seconds\":1,\"metrics\":3}",
      "\"metrics\" is an integer, expected an object"
    ),
    (
      "{\"step\":3,\"epoch\":0,\"seconds\":1,\"metrics\":{\"loss\":\"low\"}}",
      "\"loss\" is a string, expected a number"
    ),
    (
      "{\"step\":0,\"epoch\":0,\"seconds\":1,\"metrics\":{},\"memory\":{\"tensors\":1,\"peak\":1}}",
      "step 0 after step 1"
    ),
  ])
  func damagedLinesAreNamedAndNothingChanges(damage: String, reason: String) throws {
    try withTemporaryFolder { folder in
      let path = folder + "/log.jsonl"
      let content = line(1) + damage + "\n" + line(4)
      try write(content, to: path)
      let expected = RunLogError.damaged(path: path, line: 2, reason: reason)
      #expect(throws: expected) { try RunLog.read(path) }
      #expect(throws: expected) { try RunLog(path: path, resumingAfter: 1) }
      #expect(try text(path) == content)
      #expect(expected.description == "run log \(path), line 2: \(reason)")
    }
  }

  @Test func aNewRunDoesNotOverwriteAnother() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/log.jsonl"
      try write(line(1) + line(7), to: path)
      let error = RunLogError.taken(path: path, records: 2, lastStep: 7)
      #expect(throws: error) { try RunLog(path: path) }
      #expect(
        error.description == "run log \(path): holds 2 records of a run up to step 7; "
          + "resume it after a step, or choose another path"
      )
      #expect(try text(path) == line(1) + line(7))
    }
  }

  @Test func oneWriterAtATime() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/log.jsonl"
      let log = try RunLog(path: path)
      let error = #expect(throws: RunLogError.self) { try RunLog(path: path, resumingAfter: 0) }
      #expect(
        error?.description == "run log: write \(path): somebody else is writing it (\(EWOULDBLOCK))"
      )
      try log.append(record(1))
      #expect(try RunLog.read(path).count == 1)
    }
  }

  @Test func aMissingLogIsAnError() {
    let error = RunLogError.file(.unreadable(path: "/no/log.jsonl", .missing))
    #expect(throws: error) { try RunLog.read("/no/log.jsonl") }
    #expect(error.description == "run log: read /no/log.jsonl: no such file or folder")
  }
}
