import Checkpoints
import Foundation
import TestSupport
import Testing

/// `apus-federate simulate`, `plan`, `scales` and `report` on small data.
@Suite struct SimulateTests {
  private func run(_ arguments: [String]) throws -> Outcome {
    let invocation = try Invocation(arguments, of: "apus-federate")
    let status = invocation.wait()
    return Outcome(status: status, output: invocation.output, error: invocation.error)
  }

  @Test func aStudyOfOtherDataIsComputedAgain() throws {
    try withTemporaryFolder { folder in
      try VisionCommandTests.makeImages(in: folder)
      func means(_ limit: String) throws -> Double {
        let outcome = try run([
          "simulate", folder, "--hidden", "8", "--preset", "reference", "--rows", "full-iid",
          "--training-limit", limit, "--output", folder + "/study", "--threads", "1",
        ])
        #expect(outcome.status == 0, "\(outcome.error)")
        let report = try JSONValue.parse(
          Array(Data(contentsOf: URL(filePath: folder + "/study/images-full-iid-1.json")))
        )
        return try #require(report["devices"]?["meanExamples"]?.doubleValue)
      }
      #expect(try means("200") == 20)
      #expect(try means("250") == 25)
    }
  }

  @Test(arguments: [
    ["--preset", "reference", "--output", "study", "--rounds", "2"],
    ["--preset", "reference", "--output", "study", "--test-interval", "2"],
    ["--preset", "reference", "--output", "study", "--checkpoints", "folder"],
    ["--rows", "full"],
    ["--noise", "inf"],
    ["--server-rate", "nan"],
    ["--drop-out", "1"],
    ["--adapter", "tuned.safetensors"],
  ])
  func optionsWithoutMeaningAreRefused(_ options: [String]) throws {
    let outcome = try run(["simulate", "mnist"] + options)
    #expect(outcome.status == 64, "\(outcome.error)")
  }

  @Test func whatCannotBeWrittenIsFoundOutAtTheStart() throws {
    try withTemporaryFolder { folder in
      try VisionCommandTests.makeImages(in: folder)
      for (output, reason) in [(folder + "/none/run.json", "no folder"), (folder, "is a folder")] {
        let outcome = try run(["simulate", folder, "--output", output])
        #expect(outcome.status == 1 && outcome.error.contains(reason), "\(outcome.error)")
        #expect(!outcome.error.contains("simulating"))
      }
    }
  }

  @Test func plansSayWhyADeviceGetsLess() throws {
    let whole = try run(["plan", "--memory", "100000000", "--json"])
    #expect(whole.status == 0, "\(whole.error)")
    #expect(try JSONValue.parse(whole.output)[0]?["reason"] == nil)
    let small = try run(["plan", "--memory", "400000"])
    #expect(small.output.contains("this device") && small.output.contains("of 320.0 kB"))
    let none = try run(["plan", "--memory", "1000"])
    #expect(none.output.contains("not even the smallest plan"), "\(none.output)")
    for option in ["--classes", "--batch", "--examples"] {
      let outcome = try run(["plan", option, "9223372036854775807"])
      #expect(outcome.status == 64, "\(option): \(outcome.error)")
    }
  }

  @Test func reportsWithImpossibleRoundsAreRefused() throws {
    try withTemporaryFolder { folder in
      try VisionCommandTests.makeImages(in: folder)
      let path = folder + "/run.json"
      let made = try run(["simulate", folder, "--rounds", "1", "--output", path])
      #expect(made.status == 0, "\(made.error)")
      let text = try String(contentsOfFile: path, encoding: .utf8)
      let broken = text.replacingOccurrences(of: "\"round\" : 0,", with: "\"round\" : -5,")
      #expect(broken != text)
      try broken.write(toFile: path, atomically: true, encoding: .utf8)
      let outcome = try run(["report", path, "--output", folder + "/page.html"])
      #expect(outcome.status == 1 && outcome.error.contains("impossible"), "\(outcome.error)")
    }
  }

  /// Devices tune the step sizes of one packed base, and what comes out is an adapter of it.
  @Test func devicesTuneTheScalesOfAPackedBase() throws {
    try withTemporaryFolder { folder in
      try TinyModel().write(to: folder + "/model")
      let made = try Invocation(
        ["run", folder + "/model", "--output", folder + "/base", "--scheme", "W4G16"],
        of: "apus-quantize"
      )
      #expect(made.wait() == 0, "\(made.error)")
      let words = (0..<600).map { "word \($0 % 17) of \($0 % 5)" }.joined(separator: ", ")
      for name in ["one", "two"] {
        try (name + words).write(
          toFile: folder + "/\(name).txt",
          atomically: true,
          encoding: .utf8
        )
      }
      let adapter = folder + "/tuned.safetensors"
      let report = folder + "/run.json"
      let outcome = try run([
        "simulate", folder + "/one.txt", folder + "/two.txt", "--base", folder + "/base",
        "--length", "32", "--clients", "3", "--rounds", "4", "--batch", "4", "--rate", "1e-3",
        "--clip", "1", "--momentum", "0.9", "--adapter", adapter, "--output", report,
      ])
      #expect(outcome.status == 0, "\(outcome.error)")
      let rounds = try #require(
        JSONValue.parse(Array(Data(contentsOf: URL(filePath: report))))["rounds"]?.arrayValue
      )
      let losses = rounds.compactMap { $0["evaluation"]?["lossSum"]?.doubleValue }
      #expect(losses.count == 4 && losses[3] < losses[0], "\(losses)")

      // The adapter belongs to the base: its loss is below that of the base alone.
      func loss(_ extra: [String]) throws -> Double {
        let evaluation = try Invocation(
          ["eval", folder + "/base", "--text", folder + "/one.txt", "--length", "32", "--json"]
            + extra,
          of: "apus-finetune"
        )
        #expect(evaluation.wait() == 0, "\(evaluation.error)")
        let found = try JSONValue.parse(evaluation.output)
        return try #require(found["rows"]?.arrayValue?.last?["loss"]?.doubleValue)
      }
      #expect(try loss(["--adapter", adapter]) < loss([]))

      // What another server starts from, and what it ends with.
      let start = folder + "/start.safetensors"
      #expect(try run(["scales", folder + "/base", "--output", start]).status == 0)
      let names = try SafetensorsFile(path: start).entries.map(\.name)
      #expect(!names.isEmpty && names.allSatisfy { $0.hasSuffix(".scale") })
      let same = folder + "/same.safetensors"
      let turned = try run(["scales", folder + "/base", "--tuned", start, "--output", same])
      #expect(turned.status == 0, "\(turned.error)")
      #expect(try loss(["--adapter", same]) == loss([]))

      // A base in full precision has no step sizes.
      let wrong = try run(["simulate", folder + "/one.txt", "--base", folder + "/model"])
      #expect(wrong.status == 1 && wrong.error.contains("no step sizes"), "\(wrong.error)")
    }
  }
}
