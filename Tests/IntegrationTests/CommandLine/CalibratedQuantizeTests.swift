import Foundation
import TestSupport
import Testing

/// `run` and `compare` with methods that learn from a text.
@Suite struct CalibratedQuantizeTests {
  private static let options = [
    "--samples", "6", "--sample-length", "24", "--steps", "8", "--quiet",
  ]

  private func withText(
    _ body: (_ model: String, _ folder: String, _ text: String) throws -> Void
  ) throws {
    try withTinyModel { model, folder in
      let path = folder + "/text"
      let lines = (0..<200).map { "Once upon a time \($0) mice met \($0 * 7 % 13) small cats. " }
      try Data(lines.joined().utf8).write(to: URL(filePath: path))
      try body(model, folder, path)
    }
  }

  private func run(_ arguments: [String], through shell: String? = nil) throws -> Outcome {
    let invocation = try Invocation(arguments, through: shell)
    let status = invocation.wait()
    return Outcome(status: status, output: invocation.output, error: invocation.error)
  }

  @Test(arguments: [
    ["gptq", "W4G8"], ["adadim-rtn", "W3G8"], ["adadim-gptq", "W3G8"], ["flexround", "W3"],
    ["adaround", "W3"], ["lrq", "W4A8KV8"], ["rtn", "W8A8"], ["gptq", "W3IC8"], ["rtn", "W3IC8"],
    ["flexround", "W3IC8"], ["lrq", "W3IC8"], ["adaround", "W3IC8"],
  ])
  func everyMethodMakesAModel(item: [String]) throws {
    try withText { model, folder, text in
      let output = folder + "/small"
      let arguments =
        ["run", model, "-o", output, "--method", item[0], "--scheme", item[1]]
        + ["--calibration", text, "--evaluate", text, "--max-windows", "2", "--json"]
        + ["--report", folder + "/report.json"] + Self.options
      let outcome = try run(arguments)
      #expect(outcome.status == 0, "\(outcome.error)")
      let evaluations = try #require(try outcome.document()["evaluations"] as? [[String: Any]])
      let divergence = try #require(evaluations.last?["klDivergence"] as? Double)
      #expect(divergence > 0 && divergence < 1)
      #expect(try names(in: folder) == ["report.json", "small", "text", "tiny"])
      let report = try JSONSerialization.jsonObject(
        with: Data(contentsOf: URL(filePath: folder + "/report.json"))
      )
      let blocks = try #require((report as? [String: Any])?["blocks"] as? [[String: Any]])
      #expect(blocks.count == 2)
      let layers = try #require(blocks[0]["layers"] as? [[String: Any]])
      #expect(layers.count == 7 && layers.allSatisfy { $0["movement"] != nil })
      // Round-to-nearest alone looks at no inputs.
      let looks = item[0] != "rtn"
      #expect(layers.allSatisfy { ($0["relativeOutputError"] as? Double != nil) == looks })
      #expect(try apusQuantize("inspect", output).output.contains(item[0]))
      #expect(try apusGenerate(output, "Once", "--tokens", "3").status == 0)
      guard item[1].contains("A8") else { return }
      let export = try apusQuantize("export", output, "--output", folder + "/floats")
      #expect(export.status == 0 && export.error.contains("it holds weights alone"))
    }
  }

  @Test func theReportIsAPage() throws {
    try withText { model, folder, text in
      let page = folder + "/report.html"
      let outcome = try run(
        ["run", model, "-o", folder + "/small", "--method", "flexround", "--scheme", "W3"]
          + ["--calibration", text, "--report", page] + Self.options
      )
      #expect(outcome.status == 0, "\(outcome.error)")
      let html = String(decoding: try Data(contentsOf: URL(filePath: page)), as: UTF8.self)
      for part in [
        "relative error of the states", "log of the learned scale", "steps that a code moved",
        "model.layers.1.mlp.down_proj", "<svg",
      ] { #expect(html.contains(part), "\(part)") }
    }
  }

  /// Divergences have no place in a chart of squared errors, and stand beside it.
  @Test func theLastBlocksDivergenceIsSaid() throws {
    try withText { model, folder, text in
      let page = folder + "/report.html"
      let outcome = try run(
        ["run", model, "-o", folder + "/small", "--method", "flexround", "--scheme", "W3"]
          + ["--last-block", "cross-entropy", "--calibration", text, "--report", page]
          + Self.options
      )
      #expect(outcome.status == 0, "\(outcome.error)")
      let html = String(decoding: try Data(contentsOf: URL(filePath: page)), as: UTF8.self)
      #expect(html.contains("Block 1 was learned against the distributions of the head"))
    }
  }

  @Test func aTextThatGivesFewerPiecesIsSaid() throws {
    try withText { model, folder, text in
      let all = try Data(contentsOf: URL(filePath: text))
      try all.prefix(1000).write(to: URL(filePath: text))
      func run(_ output: String, _ options: [String]) throws -> String {
        let outcome = try self.run(
          ["run", model, "-o", folder + "/" + output, "--method", "gptq", "--scheme", "W3"]
            + ["--calibration", text, "--effort", "fast", "--sample-length", "64"] + options
        )
        #expect(outcome.status == 0, "\(outcome.error)")
        return outcome.error
      }
      let (few, asked) = (try run("few", []), try run("asked", ["--samples", "2"]))
      #expect(few.contains("where --effort fast takes 32"), "\(few)")
      #expect(!asked.contains("where --effort"), "\(asked)")
    }
  }

  /// Rounding that cannot be learned is round-to-nearest, and is said to be.
  @Test func aRateThatIsTooLargeIsSaid() throws {
    try withText { model, folder, text in
      func run(_ output: String, _ rate: String) throws -> Outcome {
        try self.run(
          ["run", model, "-o", folder + "/" + output, "--method", "flexround", "--scheme", "W3"]
            + ["--range", "minmax", "--learning-rate", rate, "--calibration", text] + Self.options
        )
      }
      let outcome = try run("large", "1e30")
      #expect(outcome.status == 0, "\(outcome.error)")
      let reason = "learning did not stay finite in 2 of them"
      let note = "note: 2 of 2 blocks kept round-to-nearest: " + reason
      #expect(outcome.error.contains(note), "\(outcome.error)")
      #expect(try !run("usual", "1e-2").error.contains("did not stay finite"))
    }
  }

  @Test func whatIsMissingOrContradictsIsSaid() throws {
    try withText { model, folder, text in
      func expectFailure(_ status: Int32, _ part: String, _ arguments: [String]) throws {
        let outcome = try run(["run", model, "-o", folder + "/small"] + arguments + ["--quiet"])
        #expect(outcome.status == status && outcome.error.contains(part), "\(outcome.error)")
        #expect(try names(in: folder) == ["text", "tiny"])
      }
      try expectFailure(64, "add --calibration FILE", ["--method", "gptq"])
      try expectFailure(64, "leave --bits", ["--scheme", "W4", "--bits", "3"])
      try expectFailure(64, "is no scheme", ["--scheme", "four"])
      try expectFailure(64, "W3G64 or W3IC64 (not both)", ["--scheme", "W3G64IC64"])
      // What cannot work is refused before the text is missed.
      try expectFailure(64, "set a group size", ["--method", "adadim-rtn", "--scheme", "W3"])
      try expectFailure(64, ".html or .json", ["--report", "a.pdf"])
      try expectFailure(1, "there is no folder", ["--report", folder + "/none/a.html"])
      try expectFailure(64, "methods that learn", ["--method", "gptq", "--learning-rate", "1"])
      try expectFailure(64, "methods that learn", ["--last-block", "cross-entropy"])
      try expectFailure(64, "--method lrq", ["--method", "flexround", "--rank", "3"])
      let largest = "9223372036854775807"
      try expectFailure(64, "at most", ["--method", "lrq", "--rank", largest])
      try expectFailure(64, "at most", ["--method", "gptq", "--samples", largest])
      try expectFailure(64, "--threads 0 is too small", ["--threads", "0"])
      try expectFailure(
        1,
        "choose a longer text",
        ["--method", "gptq", "--calibration", text, "--samples", "100000"]
      )
      try expectFailure(1, "no such file", ["--method", "gptq", "--calibration", folder + "/none"])
    }
  }

  /// Ids without a row are found when the model is opened, not in the midst of a pass.
  @Test func aTokenizerThatIsLargerThanTheModelIsRefused() throws {
    try withTinyModel(TinyModel(vocabularyCount: 500)) { model, folder in
      let text = folder + "/text"
      try Data("Once upon a time there was a cat.".utf8).write(to: URL(filePath: text))
      for arguments in [
        ["run", model, "-o", folder + "/small", "--method", "gptq", "--calibration", text],
        ["run", model, "-o", folder + "/small", "--evaluate", text],
        ["compare", model, "-o", folder + "/compared", "--calibration", text, "--evaluate", text],
        ["eval", model, "--text", text],
        ["logits", model, "--text", text, "-o", folder + "/logits"],
      ] {
        let outcome = try run(arguments)
        #expect(outcome.status == 1 && outcome.errorLines.count == 1, "\(outcome.error)")
        let reason = "tokenizer: it has 512 tokens, the embedding only 500 rows"
        #expect(outcome.error.contains(reason), "\(outcome.error)")
        #expect(try names(in: folder) == ["text", "tiny"])
      }
    }
  }

  /// Killed before the first block, while one is learned, and between two, the same command ends with the
  /// same bytes.
  @Test(.timeLimit(.minutes(10))) func killedRunsGoOn() throws {
    try withText { model, folder, text in
      func arguments(_ output: String) -> [String] {
        ["run", model, "-o", folder + "/" + output, "--method", "flexround", "--scheme", "W3"]
          + ["--calibration", text, "--samples", "16", "--sample-length", "32", "--steps", "150"]
          + ["--quiet"]
      }
      #expect(try run(arguments("whole")).status == 0)
      func bytes(_ output: String) throws -> Data {
        try Data(contentsOf: URL(filePath: folder + "/\(output)/model.safetensors"))
      }
      let expected = try bytes("whole")
      // Each file is written at one moment of the run: its beginning, the first block's targets, the first
      // finished block, the second block's targets.
      for file in [
        "run.json", "original-001.safetensors", "block-000.safetensors", "original-002.safetensors",
      ] {
        let path = folder + "/killed.work/" + file
        let before = try? modified(path)
        let invocation = try Invocation(arguments("killed"))
        #expect(invocation.waits { (try? modified(path)) != before }, "\(file) is written")
        invocation.send(SIGKILL)
        #expect(invocation.wait() == -SIGKILL, "\(file): the run ended by itself")
        #expect(!FileManager.default.fileExists(atPath: folder + "/killed"), "\(file)")
      }
      let outcome = try run(arguments("killed"))
      #expect(outcome.status == 0, "\(outcome.error)")
      #expect(try bytes("killed") == expected)
      #expect(try names(in: folder) == ["killed", "text", "tiny", "whole"])
    }
  }

  /// Killed while its model is measured, a run finds that model in the way: it is its own.
  @Test(.timeLimit(.minutes(10))) func aRunThatIsKilledBehindItsModelGoesOn() throws {
    try withText { model, folder, text in
      func arguments(_ output: String, bits: Int = 3) -> [String] {
        ["run", model, "-o", folder + "/" + output, "--method", "gptq", "--scheme", "W\(bits)"]
          + ["--calibration", text, "--evaluate", text, "--report", folder + "/\(output).json"]
          + Self.options
      }
      #expect(try run(arguments("whole")).status == 0)
      let output = folder + "/killed"
      let invocation = try Invocation(arguments("killed"))
      #expect(invocation.waits { FileManager.default.fileExists(atPath: output) })
      invocation.send(SIGKILL)
      #expect(invocation.wait() == -SIGKILL, "the run ended by itself")
      // Other settings are another run, to which this model does not belong.
      let other = try run(arguments("killed", bits: 4))
      #expect(other.status == 1 && other.error.contains("a run with other settings"))
      let outcome = try run(arguments("killed"))
      #expect(outcome.status == 0, "\(outcome.error)")
      func bytes(_ output: String) throws -> Data {
        try Data(contentsOf: URL(filePath: folder + "/\(output)/model.safetensors"))
      }
      #expect(try bytes("killed") == bytes("whole"))
      #expect(
        try names(in: folder) == ["killed", "killed.json", "text", "tiny", "whole", "whole.json"]
      )
      // What has come to its end is not replaced, whether its blocks are kept or not.
      for _ in 0..<2 {
        let again = try run(arguments("killed") + ["--keep-work"])
        #expect(again.status == 1 && again.error.contains("add --force"), "\(again.error)")
        #expect(try run(arguments("killed") + ["--keep-work", "--force"]).status == 0)
      }
    }
  }

  /// The work folder of a run that was killed before it had written what it is.
  @Test func aWorkFolderThatHasNotBegunIsEmpty() throws {
    try withText { model, folder, text in
      let work = folder + "/small.work"
      try FileManager.default.createDirectory(atPath: work, withIntermediateDirectories: true)
      try Data("{".utf8).write(to: URL(filePath: work + "/.run.json.2147483647-1.apus-tmp"))
      let outcome = try run(
        ["run", model, "-o", folder + "/small", "--method", "gptq", "--scheme", "W4"]
          + ["--calibration", text] + Self.options
      )
      #expect(outcome.status == 0, "\(outcome.error)")
      #expect(try names(in: folder) == ["small", "text", "tiny"])
    }
  }

  @Test func aFullDiskStopsAndLeavesWhatIsFinished() throws {
    try withText { model, folder, text in
      let arguments =
        ["run", model, "-o", folder + "/small", "--method", "gptq", "--scheme", "W4"]
        + ["--calibration", text] + Self.options
      let outcome = try run(arguments, through: "ulimit -f 30; exec \"$0\" \"$@\"")
      #expect(outcome.status == 1 && outcome.errorLines.count == 1, "\(outcome.error)")
      #expect(outcome.error.contains("no space left"), "\(outcome.error)")
      #expect(try !names(in: folder).contains("small"))
      #expect(try run(arguments).status == 0)
      #expect(try names(in: folder) == ["small", "text", "tiny"])
    }
  }

  @Test func comparisonsAreTablesAndGoOn() throws {
    try withText { model, folder, text in
      let output = folder + "/compared"
      let arguments =
        ["compare", model, "-o", output, "--methods", "rtn,gptq,adadim-rtn", "--schemes"]
        + ["W4G8,W2G8", "--seeds", "2", "--calibration", text, "--evaluate", text]
        + ["--max-windows", "2", "--json"] + Self.options
      let outcome = try run(arguments)
      #expect(outcome.status == 0, "\(outcome.error)")
      let rows = try #require(try outcome.document()["rows"] as? [[String: Any]])
      #expect(rows.count == 6)
      #expect(rows.map { $0["seeds"] as? Int } == [1, 2, 2, 1, 2, 2])
      let results = try #require(try outcome.document()["results"] as? [[String: Any]])
      #expect(results.count == 10)
      let kept = try names(in: output + "/w4g8-gptq-1")
      #expect(kept == ["result.json"])
      // What is finished is not made again; what is missing is, with any number of threads. The work of
      // a process that was killed just behind its result goes.
      let work = output + "/w4g8-gptq-1/work"
      try FileManager.default.createDirectory(atPath: work, withIntermediateDirectories: true)
      try FileManager.default.removeItem(atPath: output + "/w2g8-gptq-1")
      let date = try modified(output + "/w4g8-gptq-1/result.json")
      let again = try run(arguments + ["--threads", "1"])
      #expect(try modified(output + "/w4g8-gptq-1/result.json") == date)
      #expect(try names(in: output + "/w4g8-gptq-1") == ["result.json"])
      func losses(_ outcome: Outcome) throws -> [Double?] {
        let results = try #require(try outcome.document()["results"] as? [[String: Any]])
        return results.map { $0["perplexity"] as? Double }
      }
      #expect(try losses(again) == losses(outcome))
      #expect(try names(in: output).contains("comparison.html"))
      // Another text under the same name is another comparison.
      let more = "Three blind mice went out to see the farmer's wife. "
      try Data(String(repeating: more, count: 400).utf8).write(to: URL(filePath: text))
      let other = try run(arguments)
      #expect(try losses(other) != losses(outcome), "\(other.error)")
      // So is another model.
      let weights = URL(filePath: model + "/model.safetensors")
      var bytes = try Data(contentsOf: weights)
      bytes[bytes.count - 2] ^= 0x40
      try bytes.write(to: weights)
      let changed = try run(arguments)
      #expect(try losses(changed) != losses(other), "\(changed.error)")
      let refused = [
        (["--keep-work"], "belong to 'run'"), (["--rank", "3"], "methods that learn"),
        (["--seed", "18446744073709551615"], "no room"),
      ]
      for (more, part) in refused {
        let outcome = try run(arguments + more)
        #expect(outcome.status == 64 && outcome.error.contains(part), "\(outcome.error)")
      }
    }
  }

  /// A number that is none is found wherever it stands.
  @Test func numbersThatAreNoneAreRefused() throws {
    try withText { model, folder, _ in
      let path = URL(filePath: model + "/model.safetensors")
      let bytes = try Data(contentsOf: path)
      // The last tensor is a norm or the embedding, which is kept as it is.
      var damaged = bytes
      damaged.replaceSubrange(bytes.count - 4..<bytes.count, with: [0, 0, 0xC0, 0x7F])
      try damaged.write(to: path)
      let outcome = try run(["run", model, "-o", folder + "/small", "--bits", "4", "--quiet"])
      #expect(outcome.status == 1 && outcome.error.contains("not finite"), "\(outcome.error)")
      #expect(try !names(in: folder).contains("small"))
    }
  }

  /// Fixed dimensions beside AdaDim's choice, which is made once.
  @Test func dimensionsOfGroupsAreCompared() throws {
    try withText { model, folder, text in
      func compare(_ schemes: String) throws -> Outcome {
        try run(
          ["compare", model, "-o", folder + "/compared", "--methods", "rtn,gptq,adadim-gptq"]
            + ["--schemes", schemes, "--calibration", text, "--evaluate", text]
            + ["--max-windows", "2", "--json"] + Self.options
        )
      }
      let outcome = try compare("W3G8,W3IC8")
      #expect(outcome.status == 0, "\(outcome.error)")
      let results = try #require(try outcome.document()["results"] as? [[String: Any]])
      #expect(
        results.map { "\($0["scheme"] ?? "") \($0["method"] ?? "")" } == [
          "W3G8 rtn", "W3G8 gptq", "W3G8 adadim-gptq", "W3IC8 rtn", "W3IC8 gptq",
        ]
      )
      let layers = results.compactMap { $0["outputGroupLayers"] as? Int }
      #expect(layers[0] == 0 && layers[1] == 0 && layers[3] == 14 && layers[4] == 14)
      let refused = try compare("W3G8,W3")
      #expect(refused.status == 64 && refused.error.contains("W3 with adadim-gptq"))
    }
  }

  /// Round-to-nearest needs no text; with one it has the error of the states, and the same codes.
  @Test func roundToNearestIsComparedWithoutAText() throws {
    try withText { model, folder, text in
      func compare(_ output: String, _ arguments: [String]) throws -> Outcome {
        try run(
          ["compare", model, "-o", folder + "/" + output, "--schemes", "W4G8", "--evaluate", text]
            + ["--max-windows", "2", "--json"] + arguments + Self.options
        )
      }
      func result(_ outcome: Outcome) throws -> [String: Any] {
        #expect(outcome.status == 0, "\(outcome.error)")
        let results = try #require(try outcome.document()["results"] as? [[String: Any]])
        return try #require(results.first)
      }
      let alone = try result(compare("alone", ["--methods", "rtn"]))
      let read = try result(compare("read", ["--methods", "rtn", "--calibration", text]))
      #expect(alone["stateError"] == nil && read["stateError"] is Double)
      for key in ["perplexity", "bytes", "klDivergence", "bitsPerWeight"] {
        #expect(alone[key] as? Double == read[key] as? Double && alone[key] is Double, "\(key)")
      }
      let refused = try compare("refused", ["--methods", "rtn,gptq"])
      #expect(refused.status == 64 && refused.error.contains("add --calibration FILE"))
    }
  }

  private func modified(_ path: String) throws -> Date? {
    try FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date
  }
}
