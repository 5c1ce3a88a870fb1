import Checkpoints
import Foundation
import TestSupport
import Testing

/// Servers, pictures and disks that fail.
extension GroundCommandTests {
  /// Answers that decide nothing must not look like success to a script.
  @Test(.timeLimit(.minutes(10))) func calibrationsWithoutAnAnswerFail() throws {
    let server = try MockServer { _, _ in [.answers(["I see a page."])] }
    defer { server.stop() }
    let arguments = ["calibrate", "--model", "m", "--endpoint", server.baseURL, "--quiet"]
    let outcome = try run(arguments)
    #expect(outcome.status == 1 && outcome.error.contains("hold no numbers"), "\(outcome.error)")
    #expect(outcome.output.contains("in the square"))
    let document = try run(arguments + ["--json"])
    #expect(document.status == 1 && document.output.contains("unanswered"), "\(document.output)")
  }

  /// A server that keeps clients waiting is named while they wait.
  @Test(.timeLimit(.minutes(10))) func pausesOfBusyServersAreSaid() throws {
    try withTemporaryFolder { folder in
      _ = try document(["synth", "--pages", "1", "--output", folder + "/p"])
      let server = try MockServer { _, number in
        guard number == 0 else { return [.answers(["(10, 10)"])] }
        return [.json(["error": "busy"], status: 429, headers: ["Retry-After": "3"])]
      }
      defer { server.stop() }
      let outcome = try run([
        "ground", folder + "/p/images/page-0.png", "click", "--model", "m", "--endpoint",
        server.baseURL, "--method", "greedy", "--no-picture",
      ])
      #expect(outcome.status == 0, "\(outcome.error)")
      let note = "note: chat \(server.baseURL)"
      #expect(outcome.error.contains(note) && outcome.error.contains("attempt 2 of 5 in 3 s"))
    }
  }

  /// A port that nothing listens at: told at once, with the endpoint.
  @Test(.timeLimit(.minutes(10))) func deadEndpointsAreNamed() throws {
    try withTemporaryFolder { folder in
      _ = try document(["synth", "--pages", "2", "--output", folder + "/p"])
      let server = ["--model", "m", "--endpoint", "http://127.0.0.1:1/v1", "--retries", "0"]
      let page = folder + "/p/images/page-0.png"
      let ground = try run(["ground", page, "click", "--no-picture"] + server)
      #expect(ground.status == 1 && ground.error.contains("chat http://127.0.0.1:1/v1"))
      let calibrate = try run(["calibrate", "--quiet"] + server)
      #expect(calibrate.status == 1 && calibrate.error.contains("127.0.0.1:1"))
      let authority = folder + "/authority.pem"
      let secure = ["--model", "m", "--endpoint", "https://127.0.0.1:1/v1", "--retries", "0"]
      let refused = try run(["calibrate", "--quiet"] + secure)
      #expect(refused.status == 1 && refused.error.contains("Connection refused"))
      let unknown = try run(["calibrate", "--quiet", "--authority", authority] + secure)
      #expect(unknown.status == 1 && unknown.error.contains(authority))
      let evaluation = try document(
        [
          "eval", "--data", folder + "/p", "--methods", "greedy", "--record-failures", "--output",
          folder + "/eval",
        ] + server
      )
      let methods = try #require(evaluation["methods"] as? [[String: Any]])
      let metrics = try #require(methods.first?["metrics"] as? [String: Any])
      #expect(metrics["failureCount"] as? Int == 2)
      let stopped = try run(
        ["eval", "--data", folder + "/p", "--methods", "greedy", "--output", folder + "/stopped"]
          + server
      )
      #expect(stopped.status == 1 && stopped.error.contains("--record-failures"))
      // A picture of nothing: the evaluation stops at once, or counts it as wrong.
      try Data("nothing".utf8).write(to: URL(filePath: folder + "/p/images/page-1.png"))
      let arguments = ["eval", "--data", folder + "/p", "--methods", "greedy"] + server
      let torn = try run(arguments + ["--output", folder + "/torn"])
      #expect(torn.status == 1 && torn.error.contains("row 2"), "\(torn.error)")
      let left = try document(arguments + ["--record-failures", "--output", folder + "/left"])
      let wrong = try #require((left["methods"] as? [[String: Any]])?.first?["metrics"])
      #expect((wrong as? [String: Any])?["failureCount"] as? Int == 2)
      // A row that breaks its layout is left out.
      let rows = folder + "/p/elements.jsonl"
      try Data((text(rows) + "{\"box\": 3}\n").utf8).write(to: URL(filePath: rows))
      let bad = try run(
        arguments + ["--record-failures", "--output", folder + "/bad", "--json", "--quiet"]
      )
      #expect(bad.status == 0 && bad.error.contains("1 row left out"), "\(bad.error)")
    }
  }

  /// A disk that is full ends a command with one line, and the same command goes on from what is there.
  @Test(.timeLimit(.minutes(10))) func fullDisksLoseNothingThatIsFinished() throws {
    try withTemporaryFolder { folder in
      _ = try document(["synth", "--pages", "24", "--output", folder + "/p"])
      _ = try document(warmUp(to: folder + "/whole", steps: 40))
      let model = ["--model", folder + "/whole", "--threads", "1", "--quiet"]
      let data = ["--data", folder + "/p"]
      let commands: [(name: String, arguments: [String], blocks: Int)] = [
        ("sft", warmUp(to: folder + "/sft", steps: 40) + ["--quiet"], 8),
        ("eval", ["eval", "--methods", "vote", "--output", folder + "/eval"] + data + model, 24),
        (
          "export",
          ["export", "--format", "gta1", "--candidates", "64", "--output", folder + "/export"]
            + data
            + model, 2
        ),
      ]
      for command in commands {
        // Blocks of 512 bytes: what a file may grow to.
        let invocation = try Invocation(
          command.arguments,
          of: "apus-ground",
          through: "ulimit -f \(command.blocks); exec \"$0\" \"$@\""
        )
        #expect(invocation.wait() == 1)
        let error = invocation.error
        #expect(error.contains("no space left"), "\(command.name): \(error)")
        #expect(!error.contains("--record-failures"))
        let again = try run(command.arguments)
        #expect(again.status == 0, "\(command.name): \(again.error)")
      }
      #expect(lineCount(folder + "/eval/vote.jsonl") == 24)
      for name in ["policy.safetensors"] {
        let files = [folder + "/whole/" + name, folder + "/sft/" + name]
        let (whole, resumed) = (try Data(contentsOf: URL(filePath: files[0])), files[1])
        #expect(try Data(contentsOf: URL(filePath: resumed)) == whole)
      }
      let report = try document(commands[2].arguments)
      #expect(report["tried"] as? Int == 24 && report["isComplete"] as? Bool == true)
      #expect(lineCount(folder + "/export/rows.jsonl") == report["rows"] as? Int)
    }
  }

  /// Weights need probabilities: they are asked for, and missed aloud.
  @Test(.timeLimit(.minutes(10))) func weightedVotesAskForProbabilities() throws {
    try withTemporaryFolder { folder in
      _ = try document(["synth", "--pages", "1", "--output", folder + "/p"])
      let server = try MockServer { _, _ in [.answers(["(10, 10)"])] }
      defer { server.stop() }
      let arguments = [
        "ground", folder + "/p/images/page-0.png", "click", "--model", "m", "--endpoint",
        server.baseURL, "--method", "vote", "--samples", "2", "--no-picture",
      ]
      let weighted = try run(arguments + ["--weighting", "1"])
      #expect(weighted.status == 0 && weighted.error.contains("gives no probabilities"))
      #expect(!server.requests.isEmpty)
      #expect(server.requests.allSatisfy { $0.json["logprobs"]?.boolValue == true })
      let count = server.requests.count
      #expect(try !run(arguments).error.contains("probabilities"))
      #expect(server.requests.dropFirst(count).allSatisfy { $0.json["logprobs"] == nil })
      // Thousandths that are read as shares of the sides lie far outside.
      let outside = try run(arguments + ["--space", "unit"])
      #expect(outside.status == 1 && outside.error.contains("point outside it"), "\(outside.error)")
    }
  }
}
