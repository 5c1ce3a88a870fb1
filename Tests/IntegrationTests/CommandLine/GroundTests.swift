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
