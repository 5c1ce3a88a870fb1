import Foundation
import TestSupport
import Testing

@Suite struct PretrainCommandTests {
  static let text = String(
    repeating: "It was in July, 1805, and the speaker was the well-known Anna Pavlovna. ",
    count: 60
  )
  static let size = [
    "--width", "16", "--heads", "2", "--feed-forward", "32", "--blocks", "2", "--length", "16",
    "--batch", "2", "--stride", "1", "--threads", "1",
  ]

  @discardableResult
  func run(_ arguments: [String]) throws -> Outcome {
    let invocation = try Invocation(arguments, of: "apus-pretrain")
    let status = invocation.wait()
    return Outcome(status: status, output: invocation.output, error: invocation.error)
  }

  func tokens(in folder: String) throws -> String {
    try Data(Self.text.utf8).write(to: URL(filePath: folder + "/text"))
    let outcome = try run(["tokenize", folder + "/text", "--output", folder + "/tokens"])
    #expect(outcome.status == 0, "\(outcome.error)")
    return folder + "/tokens"
  }

  /// SIGKILL again and again, at any moment: in a step, in a checkpoint, before the first one.
  @Test(.timeLimit(.minutes(10))) func aRunThatIsKilledEndsWithTheSameBits() throws {
    try withTemporaryFolder { folder in
      let tokens = try tokens(in: folder)
      func arguments(_ output: String) -> [String] {
        [
          "train", tokens, "--output", folder + "/" + output, "--steps", "1200",
          "--checkpoint-interval", "7", "--probe-interval", "50", "--quiet", "--json",
        ] + Self.size
      }
      let clock = ContinuousClock()
      let start = clock.now
      let whole = try run(arguments("whole"))
      #expect(whole.status == 0, "\(whole.error)")
      // The moments depend on the machine; the numbers must not. All lives together take half of what
      // the whole run took, so that on a fast machine too none of them comes to the end.
      let waits = [1, 40, 90, 60, 150, 25, 110, 70, 200, 130]
      let unit = (clock.now - start) / (2 * waits.reduce(0, +))
      var kills = 0
      for wait in waits {
        let invocation = try Invocation(arguments("killed"), of: "apus-pretrain")
        let end = clock.now + unit * wait
        while clock.now < end { usleep(500) }
        if invocation.isRunning { kills += 1 }
        invocation.send(SIGKILL)
        invocation.wait()
      }
      // On a machine that grows faster meanwhile the last lives may find the run at its end.
      #expect(kills >= 3)
      let last = try run(arguments("killed"))
      #expect(last.status == 0, "\(last.error)")
      let files = ["model/model.safetensors", "model/config.json"]
      for file in files {
        let expected = try Data(contentsOf: URL(filePath: folder + "/whole/" + file))
        #expect(try Data(contentsOf: URL(filePath: folder + "/killed/" + file)) == expected)
      }
      var (first, second) = (try whole.document(), try last.document())
      first["seconds"] = nil
      second["seconds"] = nil
      #expect(NSDictionary(dictionary: first) == NSDictionary(dictionary: second))
    }
  }

  @Test(.timeLimit(.minutes(10))) func aStudyGoesOnAndIsReported() throws {
    try withTemporaryFolder { folder in
      let tokens = try tokens(in: folder)
      let study =
        [
          "study", tokens, "--output", folder + "/study", "--steps", "30", "--variants", "pre",
          "peri+E", "--learning-rates", "1e-3", "1e-2", "--seeds", "0", "1", "--quiet", "--json",
        ] + Self.size
      let interrupted = try Invocation(study, of: "apus-pretrain")
      usleep(150_000)
      interrupted.send(SIGINT)
      #expect([0, 130].contains(interrupted.wait()))
      let outcome = try run(study)
      #expect(outcome.status == 0, "\(outcome.error)")
      let document = try outcome.document()
      let settings = try #require(document["settings"] as? [String: [String: Any]])
      #expect(settings["model"]?["hiddenWidth"] as? Int == 16)
      #expect(settings["training"]?["steps"] as? Int == 30)
      let cells = try #require(document["cells"] as? [[String: Any]])
      #expect(cells.count == 8)
      #expect(
        cells.allSatisfy { $0["validationLoss"] is Double && $0["ending"] as? String == "finished" }
      )

      let other = try run(study + ["--decay", "0.5"])
      #expect(other.status == 1 && other.error.contains("another plan"))
      let page = folder + "/report.html"
      let report = try run([
        "report", folder + "/study", "--output", page, "--numbers", folder + "/numbers.json",
      ])
      #expect(report.status == 0, "\(report.error)")
      let html = try String(contentsOfFile: page, encoding: .utf8)
      #expect(html.contains("peri+E") && html.contains("<svg") && !html.contains("<script"))
    }
  }

  /// A few steps warm up for a tenth of them; the model writes no text, which is said at once.
  @Test func aShortRunWithoutATokenizerSaysWhatItLacks() throws {
    try withTemporaryFolder { folder in
      let arguments = ["train", try tokens(in: folder), "--output", folder + "/run"] + Self.size
      let outcome = try run(arguments + ["--steps", "20"])
      #expect(outcome.status == 0, "\(outcome.error)")
      #expect(outcome.error.contains("has no tokenizer") && outcome.error.contains("--tokenizer"))
      let settings = try Data(contentsOf: URL(filePath: folder + "/run/run.json"))
      let run = try #require(try JSONSerialization.jsonObject(with: settings) as? [String: Any])
      #expect((run["options"] as? [String: Any])?["warmUpSteps"] as? Int == 2)
    }
  }

  @Test func aDivergenceIsAFailureWithItsNumbers() throws {
    try withTemporaryFolder { folder in
      let tokens = try tokens(in: folder)
      let outcome = try run(
        [
          "train", tokens, "--output", folder + "/run", "--learning-rate", "1e30", "--clip", "0",
          "--steps", "40", "--json", "--quiet",
        ] + Self.size
      )
      #expect(outcome.status == 1 && outcome.error.contains("the training diverged"))
      #expect(try outcome.document()["ending"] as? String == "diverged")
      #expect(!FileManager.default.fileExists(atPath: folder + "/run/model"))
    }
  }

  @Test func foldersOfOthersStay() throws {
    try withTemporaryFolder { folder in
      let tokens = try tokens(in: folder)
      let model = folder + "/mine/model"
      try FileManager.default.createDirectory(atPath: model, withIntermediateDirectories: true)
      try Data("precious".utf8).write(to: URL(filePath: model + "/thesis"))
      let outcome = try run(
        ["train", tokens, "--output", folder + "/mine", "--steps", "5"] + Self.size
      )
      #expect(outcome.status == 1 && outcome.error.contains("is not of a run"))
      #expect(try names(in: model) == ["thesis"])
    }
  }

  @Test func wrongArgumentsAreExplained() throws {
    try withTemporaryFolder { folder in
      let tokens = try tokens(in: folder)
      for (arguments, part) in [
        (["train", tokens, "--output", "x", "--width", "15"], "--width"),
        (["train", folder + "/text", "--output", "x"], folder + "/text"),
        (["study", tokens, "--output", "x", "--variants", "side"], "side"),
        (["probe", folder + "/none", "--tokens", tokens], "none"),
        (["report", folder, "--output", "x"], "study.json"),
        (["train", tokens, "--output", folder + "/run", "--length", "100000"], "too short"),
        (["train", tokens, "--output", "x", "--stride", "9223372036854775807"], "2⁴⁰"),
        (["train", tokens, "--output", "x", "--freeze", "."], "nothing is left to train"),
        (["train", tokens, "--output", "x", "--width", "1000000", "--heads", "1"], "GB to train"),
        (["train", folder + "/text", "--output", "x"], "apus-pretrain tokenize"),
      ] {
        let outcome = try run(arguments)
        #expect(
          outcome.status != 0 && outcome.error.contains(part),
          "\(arguments): \(outcome.error)"
        )
        #expect(outcome.error.hasPrefix("apus-pretrain: "))
      }
    }
  }
}
