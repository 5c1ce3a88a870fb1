import Checkpoints
import Foundation
import TestSupport
import Testing

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

  /// Among boxes, points that no click can be judged by are left out of what is rewarded.
  @Test(.timeLimit(.minutes(10))) func pointsAmongBoxesAreLeftOutOfRewards() throws {
    try withTemporaryFolder { folder in
      _ = try document(["synth", "--pages", "4", "--output", folder + "/p"])
      _ = try document(warmUp(to: folder + "/sft", steps: 1))
      let places = ["[0.1, 0.1, 0.3, 0.3]", "[0.5, 0.5]", "[0.5, 0.5, 0.9, 0.9]"]
      let lines = places.enumerated().map { index, place in
        "{\"image\": \"page-\(index).png\", \"instruction\": \"click the red ring\", "
          + "\"gt_action\": \"click\", \"gt_bbox\": \(place)}"
      }
      let rows = folder + "/mixed.jsonl"
      try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(filePath: rows))
      func reward(_ prompts: Int, _ more: [String] = []) throws -> Outcome {
        let data = ["--data", rows, "--layout", "gui-r1", "--images", folder + "/p/images"]
        let run = ["--steps", "1", "--prompts", "\(prompts)", "--group", "2", "--threads", "1"]
        return try self.run(
          ["rl", "--from", folder + "/sft", "--output", folder + "/rl-\(prompts)-\(more.count)"]
            + data + run + more
        )
      }
      let two = try reward(2)
      #expect(two.status == 0 && two.error.contains("1 point without a box"), "\(two.error)")
      let three = try reward(3)
      #expect(three.status == 1 && three.error.contains("2 examples, at least 3"), "\(three.error)")
      let near = try reward(3, ["--point-radius", "20"])
      #expect(near.status == 0 && !near.error.contains("without a box"), "\(near.error)")
    }
  }
}
