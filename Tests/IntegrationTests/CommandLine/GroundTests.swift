import Checkpoints
import Foundation
import TestSupport
import Testing

/// `apus-ground` with a policy of width 16 that is trained for a few steps.
@Suite struct GroundCommandTests {
  @discardableResult
  func run(_ arguments: [String]) throws -> Outcome {
    let invocation = try Invocation(arguments, of: "apus-ground")
    let status = invocation.wait()
    return Outcome(status: status, output: invocation.output, error: invocation.error)
  }

  /// Runs what must succeed, and reads its document.
  func document(_ arguments: [String]) throws -> [String: Any] {
    let outcome = try run(arguments + ["--quiet", "--json"])
    try #require(outcome.status == 0, "\(arguments): \(outcome.error)")
    return try outcome.document()
  }

  /// The arguments of a warm-up of the tiny policy.
  func warmUp(to folder: String, steps: Int = 4) -> [String] {
    [
      "sft", "--width", "16", "--blocks", "1", "--view", "32x32", "--pages", "256", "--batch", "8",
      "--steps", "\(steps)", "--test-items", "8", "--threads", "1", "--output", folder,
    ]
  }

  func text(_ path: String) throws -> String {
    try String(contentsOfFile: path, encoding: .utf8)
  }

  func lineCount(_ path: String) -> Int {
    ((try? text(path)) ?? "").split(separator: "\n").count
  }
}

// MARK: - What is written

extension GroundCommandTests {
  @Test(.timeLimit(.minutes(10))) func stagesAreTrainedMeasuredAndUsed() throws {
    try withTemporaryFolder { folder in
      // Long enough for the form of responses, and for a hit now and then.
      let warm = try document(warmUp(to: folder + "/sft", steps: 240))
      #expect(warm["step"] as? Int == 240)
      let metrics = try #require(warm["metrics"] as? [String: Any])
      #expect(metrics["loss"] is Double && metrics["greedy accuracy"] is Double)
      #expect(try #require(metrics["greedy format"] as? Double) > 0.8)
      for (command, from, to) in [("rl", "sft", "rl"), ("consist", "rl", "consist")] {
        // This policy rarely hits: by rewards, agreement needs no solved example.
        let mode = command == "consist" ? ["--mode", "jointReward"] : []
        let report = try document(
          [
            command, "--from", folder + "/" + from, "--steps", "2", "--prompts", "2", "--pages",
            "16", "--test-items", "4", "--threads", "1", "--output", folder + "/" + to,
          ] + mode
        )
        #expect(report["step"] as? Int == 2)
      }
      try evaluate(folder)
      try ground(folder)
      try export(folder)
    }
  }

  /// Two methods, a comparison, a page with drawings; then the same from files.
  private func evaluate(_ folder: String) throws {
    let model = folder + "/consist"
    let report = try document([
      "eval", "--model", model, "--pages", "6", "--methods", "greedy", "full", "--samples", "3",
      "--threads", "1", "--output", folder + "/eval",
    ])
    let methods = try #require(report["methods"] as? [[String: Any]])
    #expect(methods.map { $0["method"] as? String } == ["greedy", "full"])
    let full = try #require(methods[1]["metrics"] as? [String: Any])
    let cost = try #require(full["cost"] as? [String: Any])
    // Two stages of three responses, or one where none of the first names a place.
    let calls = try #require(cost["calls"] as? Int)
    #expect((18...36).contains(calls))
    #expect((report["comparisons"] as? [[String: Any]])?.count == 1)
    let page = try run(["report", folder + "/eval", "--output", folder + "/eval.html"])
    #expect(page.status == 0, "\(page.error)")
    let html = try text(folder + "/eval.html")
    #expect(html.contains("data:image/png;base64,") && html.contains("<svg"))
    #expect(html.contains("Comparisons (McNemar)"))
    let curves = try run(["report", folder + "/rl", "--output", folder + "/rl.html"])
    let drawn = try text(folder + "/rl.html")
    #expect(curves.status == 0 && drawn.contains("dead groups"))
    try sameFromFiles(folder, model)
  }

  /// Pages on the disk have the answers of pages in memory.
  private func sameFromFiles(_ folder: String, _ model: String) throws {
    _ = try document([
      "synth", "--pages", "6", "--page-seed", "1000", "--output", folder + "/pages",
    ])
    #expect(lineCount(folder + "/pages/elements.jsonl") == 6)
    let report = try document([
      "eval", "--model", model, "--data", folder + "/pages", "--methods", "greedy", "--against",
      folder + "/eval", "--threads", "1", "--output", folder + "/files",
    ])
    let comparison = try #require((report["comparisons"] as? [[String: Any]])?.first)
    let test = try #require(comparison["test"] as? [String: Any])
    #expect(test["onlyFirst"] as? Int == 0 && test["onlySecond"] as? Int == 0)
    #expect(comparison["pValue"] as? Double == 1)
  }

  /// A point inside the page, a picture of its size, and every stage.
  private func ground(_ folder: String) throws {
    let page = folder + "/pages/images/page-0.png"
    let row = try #require(try text(folder + "/pages/elements.jsonl").split(separator: "\n").first)
    let item = try JSONSerialization.jsonObject(with: Data(row.utf8)) as? [String: Any]
    let instruction = try #require(item?["instruction"] as? String)
    let arguments = [page, instruction, "--model", folder + "/consist", "--samples", "8"]
    let picture = folder + "/answer.png"
    let search = try document(["search"] + arguments + ["--no-picture"])
    let stages = try #require(search["stages"] as? [[String: Any]])
    #expect((stages[0]["samples"] as? [Any])?.count == 8)
    let document = try document(["ground"] + arguments + ["--picture", picture])
    let x = try #require(document["x"] as? Double)
    #expect((0...192).contains(x) && FileManager.default.fileExists(atPath: picture))
    let last = try #require(stages.last?["point"] as? [String: Any])
    #expect(last["x"] as? Double == x)
  }

  /// Rows of solved examples, whole and cropped, each with its picture.
  private func export(_ folder: String) throws {
    let report = try document([
      "export", "--model", folder + "/consist", "--pages", "12", "--format", "gta1",
      "--candidates", "64", "--output", folder + "/rows",
    ])
    let rows = try #require(report["rows"] as? Int)
    #expect(rows > 0 && report["tried"] as? Int == 12)
    #expect(rows == 2 * (report["solved"] as? Int ?? -1))
    #expect(lineCount(folder + "/rows/rows.jsonl") == rows)
  }

  /// Codes answer as the floats did that they were made of, in every command.
  @Test(.timeLimit(.minutes(10))) func quantizedPoliciesAreUsedAsOthers() throws {
    try withTemporaryFolder { folder in
      _ = try document(warmUp(to: folder + "/sft", steps: 120))
      let coded = folder + "/w8.safetensors"
      let report = try document(["quantize", folder + "/sft", "--scheme", "w8", "--output", coded])
      let layers = try #require(report["layers"] as? [[String: Any]])
      // Eight of the block, two of the image, the head and the pointer.
      #expect(layers.count == 13 && !layers.contains { $0["name"] as? String == "gates" })
      for layer in layers {
        #expect(try #require(layer["relativeError"] as? Double) < 1e-4, "\(layer)")
      }
      let (bytes, before) = (report["byteCount"] as? Int, report["sourceByteCount"] as? Int)
      #expect(try #require(bytes) < #require(before))
      let pages = ["--pages", "40", "--methods", "greedy", "--threads", "1"]
      let (floats, codes) = (folder + "/floats", folder + "/codes")
      _ = try document(["eval", "--model", folder + "/sft", "--output", floats] + pages)
      let other = try document(
        ["eval", "--model", coded, "--against", floats, "--output", codes] + pages
      )
      #expect((other["policy"] as? String)?.hasSuffix(", quantized") == true)
      let comparison = try #require((other["comparisons"] as? [[String: Any]])?.first)
      let test = try #require(comparison["test"] as? [String: Any])
      #expect(try #require(test["onlyFirst"] as? Int) + #require(test["onlySecond"] as? Int) <= 4)
      try searchAndMeasure(coded, beside: folder + "/sft", in: folder)
      try refuseCodes(coded, beside: folder + "/sft", in: folder)
    }
  }

  private func searchAndMeasure(_ coded: String, beside model: String, in folder: String) throws {
    _ = try document(["synth", "--pages", "1", "--output", folder + "/p"])
    let page = folder + "/p/images/page-0.png"
    let arguments = [
      page, "click the red ring", "--model", coded, "--samples", "4", "--no-picture",
    ]
    let search = try document(["search"] + arguments)
    let stages = try #require(search["stages"] as? [[String: Any]])
    #expect((stages[0]["samples"] as? [Any])?.count == 4)
    let speed = try document([
      "speed", model, coded, "--samples", "1", "4", "--pages", "2", "--threads", "1",
    ])
    let rows = try #require(speed["rows"] as? [[String: Any]])
    #expect(rows.map { $0["model"] as? String } == [model, coded, model, coded])
    #expect(rows.map { $0["samples"] as? Int } == [1, 1, 4, 4])
    for row in rows {
      let (page, reading) = (row["pageMilliseconds"], row["readingMilliseconds"])
      #expect(try #require(page as? Double) > 0 && #require(reading as? Double) > 0)
      #expect(try #require(row["ratio"] as? Double) > 0)
    }
  }

  private func refuseCodes(_ coded: String, beside model: String, in folder: String) throws {
    let output = ["--output", folder + "/new"]
    for arguments in [["sft", "--from", coded], ["quantize", coded]] {
      let refused = try run(arguments + output)
      #expect(refused.status == 1 && refused.error.contains("quantized"), "\(refused.error)")
    }
    let unknown = try run(["quantize", model, "--keep", "blocks.0.side"] + output)
    #expect(unknown.status == 1 && unknown.error.contains("blocks.0.side"))
    #expect(unknown.error.contains("blocks.0.up"))
    let kept = try run(
      ["quantize", model, "--quiet", "--keep", "blocks", "stem", "head", "gates"] + output
    )
    #expect(kept.status == 0 && kept.output.contains("2 layers at W4"), "\(kept.output)")
  }

  @Test(.timeLimit(.minutes(10))) func aStoppedTrainingGoesOnWithTheSameBits() throws {
    try withTemporaryFolder { folder in
      let (whole, stopped) = (folder + "/whole", folder + "/stopped")
      _ = try document(warmUp(to: whole, steps: 120))
      let first = try Invocation(warmUp(to: stopped, steps: 120), of: "apus-ground")
      let hasBegun = first.waits { lineCount(stopped + "/log.jsonl") > 0 }
      #expect(hasBegun, "the log begins: \(first.error)")
      first.send(SIGINT)
      #expect(first.wait() == 130)
      #expect(first.error.contains("interrupted, run the same command to go on after step"))
      #expect(!FileManager.default.fileExists(atPath: stopped + "/policy.safetensors"))
      _ = try document(warmUp(to: stopped, steps: 120))
      let policies = try [whole, stopped].map {
        try Data(contentsOf: URL(filePath: $0 + "/policy.safetensors"))
      }
      #expect(policies[0] == policies[1])
      let other = try run(warmUp(to: stopped, steps: 121) + ["--quiet"])
      #expect(other.status == 1 && other.error.contains("options.steps: 120 there, 121 now"))
    }
  }

  @Test(.timeLimit(.minutes(10))) func anEvaluationGoesOnWhereItWas() throws {
    try withTemporaryFolder { folder in
      _ = try document(warmUp(to: folder + "/sft", steps: 2))
      let arguments = [
        "eval", "--model", folder + "/sft", "--pages", "5", "--methods", "sampled", "--threads",
        "1", "--output", folder + "/eval",
      ]
      let before = try document(arguments)
      let journal = folder + "/eval/sampled.jsonl"
      let lines = try text(journal).split(separator: "\n").map(String.init)
      // Two items are done; the third one was not written to its end.
      let cut = lines[0] + "\n" + lines[1] + "\n" + lines[2].prefix(40)
      try AtomicFile.write(cut, to: journal)
      let after = try document(arguments)
      #expect(lineCount(journal) == 5)
      let hits = [before, after].map { report in
        let methods = report["methods"] as? [[String: Any]]
        let metrics = methods?.first?["metrics"] as? [String: Any]
        return (metrics?["overall"] as? [String: Any])?["all"] as? [String: Int]
      }
      #expect(hits[0] != nil && hits[0] == hits[1])
      let other = try run(arguments + ["--seed", "7", "--quiet"])
      #expect(other.status == 1 && other.error.contains("other settings (search.sampling.seed"))
    }
  }

  @Test(.timeLimit(.minutes(10))) func studiesAreFinishedRowByRow() throws {
    try withTemporaryFolder { folder in
      let arguments = [
        "study", "--seeds", "1", "--warm-steps", "2", "--reward-steps", "2", "--test-pages", "3",
        "--threads", "1", "--output", folder + "/study",
      ]
      let report = try document(arguments + ["--rows", "warm", "rl"])
      let rows = try #require(report["rows"] as? [[String: Any]])
      #expect(rows.map { $0["name"] as? String } == ["warm", "rl"])
      let table = try text(folder + "/study/study.md")
      #expect(table.contains("| + RL | 1 |") && !table.contains("control"))
      let more = try document(arguments + ["--rows", "sft"])
      #expect((more["rows"] as? [[String: Any]])?.count == 3)
    }
  }

  /// Pages that lie in folders take the place of those that are drawn in memory.
  @Test(.timeLimit(.minutes(10))) func studiesReadPagesFromFolders() throws {
    try withTemporaryFolder { folder in
      for (name, seed) in [("known", "5"), ("unseen", "6")] {
        _ = try document(
          ["synth", "--pages", "6", "--page-seed", seed, "--output", "\(folder)/\(name)", "--json"]
        )
      }
      let arguments = [
        "study", "--seeds", "1", "--rows", "warm", "rl", "--warm-steps", "2", "--reward-steps",
        "2", "--threads", "1", "--output", folder + "/study", "--training", folder + "/known",
        "--test", folder + "/unseen", "--view", "32x48",
      ]
      let report = try document(arguments + ["--test-pages", "5", "--json"])
      #expect((report["rows"] as? [[String: Any]])?.count == 2)
      #expect(try text(folder + "/study/plan.json").contains(folder + "/unseen"))
      let few = try run(arguments + ["--test-pages", "7"])
      #expect(few.status == 1 && few.error.contains("6 usable items, 7 are measured"))
      let other = try run(arguments + ["--test-pages", "5", "--reads", "bytes"])
      #expect(other.status == 1 && other.error.contains("other settings"))
      let alone = try run(["study", "--training", folder, "--output", folder + "/x"])
      #expect(alone.status == 64 && alone.error.contains("belong together"))
      let same = ["study", "--training", folder, "--test", folder, "--output", folder + "/x"]
      let itself = try run(same)
      #expect(itself.status == 64 && itself.error.contains("one folder"))
    }
  }

  @Test func sitesAreFoldersOfPages() throws {
    try withTemporaryFolder { folder in
      let arguments = ["sites", "--sites", "3", "--pages", "2", "--output", folder + "/sites"]
      let report = try document(arguments + ["--first", "11", "--json"])
      #expect(report["pages"] as? Int == 6)
      let page = try text(folder + "/sites/site-11-map/page-1.html")
      #expect(page.hasPrefix("<!doctype html>") && page.contains("aria-label"))
      #expect(try text(folder + "/sites/site-12-toolbar/page-0.html") != page)
      let other = try run(arguments + ["--first", "12"])
      #expect(other.status == 1 && other.error.contains("other settings"))
    }
  }
}

// MARK: - What is refused

extension GroundCommandTests {
  @Test(arguments: [
    (["ground"], "missing expected argument"),
    (["ground", "a.png", " ", "--model", "m"], "the instruction is empty"),
    (["ground", "a.png", "click", "--model", "m", "--method", "best"], "invalid"),
    (["ground", "a.png", "click", "--model", "m", "--crop", "1.5"], "invalid"),
    (["ground", "a.png", "click", "--model", "m", "--temperature", "0"], "must be above 0"),
    (["eval", "--model", "m", "--output", "o", "--split", "test"], "need --data"),
    (["eval", "--model", "m", "--output", "o", "--methods", "full", "full"], "each once"),
    (["consist", "--from", "a", "--output", "o", "--mode", "off"], "trains nothing"),
    (["consist", "--from", "a", "--output", "o", "--least-crop", "2"], "local views"),
    (["rl", "--from", "a", "--output", "o", "--group", "1"], "--group must be 2"),
    (["export", "--model", "m", "--format", "trl", "--output", "o"], "invalid"),
    (["calibrate", "--model", "m"], "--endpoint is needed"),
    (["synth", "--pages", "0", "--output", "o"], "must be above 0"),
    (["study", "--seeds", "1", "1", "--output", "o"], "each once"),
    (["quantize", "m", "--scheme", "W9", "--output", "o"], "--scheme"),
    (["quantize", "m", "--scheme", "W4A8", "--output", "o"], "rounds more than weights"),
    (
      ["calibrate", "--model", "m", "--endpoint", "http://h/v1", "--authority", "a.pem"],
      "begins with https://"
    ),
    (["speed", "m", "--samples", "0"], "--samples must be"),
    (["calibrate", "--model", "m", "--endpoint", "http://h/v1", "--family", "x"], "--family x"),
  ])
  func wronglyTypedCommands(_ arguments: [String], _ complaint: String) throws {
    let outcome = try run(arguments)
    #expect(outcome.status == 64, "\(outcome.error)")
    #expect(outcome.error.lowercased().contains(complaint.lowercased()), "\(outcome.error)")
    #expect(outcome.error.contains("--help"))
  }

  /// What a process that was killed at its beginning, or among its pages, left is its own.
  @Test func killedCommandsTakeTheirFoldersBack() throws {
    try withTemporaryFolder { folder in
      for name in ["sft", "p", "p/images"] {
        try FileManager.default.createDirectory(
          atPath: folder + "/" + name,
          withIntermediateDirectories: true
        )
      }
      try AtomicFile.write("{", to: folder + "/sft/.run.json.2147483647-1.apus-tmp")
      _ = try document(warmUp(to: folder + "/sft", steps: 1))
      #expect(try !names(in: folder + "/sft").contains { $0.hasSuffix(".apus-tmp") })
      try AtomicFile.write("torn", to: folder + "/p/images/page-0.png")
      _ = try document(["synth", "--pages", "1", "--output", folder + "/p"])
      #expect(try names(in: folder + "/p") == ["elements.jsonl", "images"])
    }
  }

  @Test func missingAndDamagedFilesAreNamed() throws {
    try withTemporaryFolder { folder in
      let missing = try run(["ground", folder + "/no.png", "click", "--model", "m", "--quiet"])
      #expect(missing.status == 1 && missing.error.contains("no.png"))
      _ = try document(["synth", "--pages", "1", "--output", folder + "/p"])
      let page = folder + "/p/images/page-0.png"
      let model = try run(["ground", page, "click the red ring", "--model", folder + "/none"])
      #expect(model.status == 1 && model.error.contains("there is no such file"))
      try AtomicFile.write("not a policy", to: folder + "/policy")
      let arguments = ["ground", page, "click", "--model", folder + "/policy", "--no-picture"]
      let damaged = try run(arguments)
      #expect(damaged.status == 1 && damaged.error.contains("policy"))
      _ = try document(warmUp(to: folder + "/sft", steps: 1))
      let words = try run(["ground", page, "save", "--model", folder + "/sft", "--no-picture"])
      #expect(words.status == 1 && words.error.contains("one color"))
      let outside = try run([
        "ground", page, "click the red ring", "--model", folder + "/sft", "--no-picture",
        "--target",
        "0,0,9000,10",
      ])
      #expect(outside.status == 1 && outside.error.contains("--target reaches beyond"))
      let other = try run(["sft", "--output", folder + "/p"])
      #expect(other.status == 1 && other.error.contains("holds no run.json"))
      let few = try run(["sft", "--pages", "4", "--output", folder + "/few", "--quiet"])
      #expect(few.status == 1 && few.error.contains("at least 32 are needed"))
      let neither = try run(["report", folder + "/p", "--output", folder + "/x.html"])
      #expect(neither.status == 1 && neither.error.contains("neither a training run"))
      let browser = try run([
        "pages", folder + "/p", "--browser", folder + "/nothing", "--output", folder + "/out",
      ])
      #expect(browser.status == 1 && browser.error.contains("no HTML files"))
    }
  }

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

  /// Points without boxes are judged within a radius, or not at all.
  @Test(.timeLimit(.minutes(10))) func pointsNeedARadius() throws {
    try withTemporaryFolder { folder in
      _ = try document(["synth", "--pages", "4", "--output", folder + "/p"])
      _ = try document(warmUp(to: folder + "/sft", steps: 1))
      let row =
        #"{"image": "page-0.png", "width": 192, "height": 192, "conversations": "#
        + #""[{\"from\":\"human\",\"value\":\"click the red ring\"},{\"from\":\"gpt\",\"value\":\"(500, 500)\"}]"}"#
      let rows = folder + "/points.jsonl"
      try Data((row + "\n").utf8).write(to: URL(filePath: rows))
      let data = ["--data", rows, "--layout", "uground-point", "--images", folder + "/p/images"]
      let model = ["--model", folder + "/sft", "--methods", "greedy", "--threads", "1"]
      let refused = try run(["eval", "--output", folder + "/e"] + data + model)
      #expect(refused.status == 1 && refused.error.contains("--point-radius"), "\(refused.error)")
      let rewarded = try run(["rl", "--from", folder + "/sft", "--output", folder + "/rl"] + data)
      #expect(rewarded.status == 1 && rewarded.error.contains("--point-radius"))
      _ = try document(
        ["eval", "--output", folder + "/e", "--point-radius", "400"] + data + model
      )
      #expect(lineCount(folder + "/e/greedy.jsonl") == 1)
      let other = try run(
        ["eval", "--pages", "3", "--against", folder + "/e", "--output", folder + "/f"] + model
      )
      #expect(other.status == 1 && other.error.contains("here are 3, 0 of them"), "\(other.error)")
    }
  }
}
