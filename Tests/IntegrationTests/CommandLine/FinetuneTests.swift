import Checkpoints
import Foundation
import Quantization
import Tensor
import TestSupport
import Testing
import Transformer

/// `apus-finetune` on a tiny model: what is trained, what is written, and what is refused.
@Suite struct FinetuneCommandTests {
  static let text = String(
    repeating: "Once upon a time there was a little girl named Lily. She loved to play outside. ",
    count: 30
  )
  static let heldText = String(repeating: "There was a little dog. It loved to play. ", count: 12)
  /// Windows of 32 tokens, four at a time.
  static let cut = ["--length", "32", "--batch", "4", "--threads", "1"]
  static let training = ["--steps", "30", "--learning-rate", "3e-3", "--quiet", "--json"] + cut

  @discardableResult
  func run(_ arguments: [String]) throws -> Outcome {
    let invocation = try Invocation(arguments, of: "apus-finetune")
    let status = invocation.wait()
    return Outcome(status: status, output: invocation.output, error: invocation.error)
  }

  /// Runs what must succeed, and reads its document.
  func document(_ arguments: [String]) throws -> [String: Any] {
    let outcome = try run(arguments)
    try #require(outcome.status == 0, "\(arguments): \(outcome.error)")
    return try outcome.document()
  }

  /// A tiny model with a text to train on and another to measure on.
  func withModelAndTexts(_ body: (_ model: String, _ folder: String) throws -> Void) throws {
    try withTinyModel { model, folder in
      try Data(Self.text.utf8).write(to: URL(filePath: folder + "/text"))
      try Data(Self.heldText.utf8).write(to: URL(filePath: folder + "/held"))
      try body(model, folder)
    }
  }

  func train(
    _ model: String,
    _ method: String,
    _ folder: String,
    to name: String = "run",
    _ more: [String] = []
  ) throws -> [String: Any] {
    try document(
      [
        "train", model, "--method", method, "--text", folder + "/text", "--validation",
        folder + "/held", "--output", folder + "/" + name,
      ] + Self.training + more
    )
  }

  /// The losses of a base and its adapters.
  func losses(_ model: String, _ folder: String, _ more: [String] = []) throws -> [Double] {
    let arguments = ["eval", model, "--text", folder + "/held", "--quiet", "--json"] + Self.cut
    let rows = try document(arguments + more)["rows"] as? [[String: Any]]
    return try #require(rows).map { try #require($0["loss"] as? Double) }
  }

  func loss(_ report: [String: Any], _ key: String) throws -> Double {
    try #require(report[key] as? Double)
  }

  func quantize(_ model: String, to output: String, _ options: String...) throws {
    let invocation = try Invocation(["run", model, "--output", output, "--quiet"] + options)
    #expect(invocation.wait() == 0, "\(invocation.error)")
  }

  // MARK: - Scales

  @Test func stepSizesAreTrainedMeasuredAndApplied() throws {
    try withModelAndTexts { model, folder in
      let (small, law) = (folder + "/small", folder + "/law")
      try quantize(model, to: small, "--scheme", "W4")
      let codes = try Data(contentsOf: URL(filePath: small + "/model.safetensors"))
      let report = try train(small, "peqa", folder, ["--recompute"])
      let (before, after) = try (loss(report, "lossBefore"), loss(report, "lossAfter"))
      #expect(after < before)
      let inner = try #require(report["report"] as? [String: Any])
      #expect(inner["trainableCount"] as? Int == 448)
      #expect(report["resultBytes"] as? Int ?? 0 > 4 * 448)
      #expect((report["changes"] as? [Any])?.count == 14)
      let written = try Set(names(in: folder + "/run"))
      #expect(
        written.isSuperset(of: [
          "adapter.safetensors", "log.jsonl", "report.html", "report.json", "run.json",
        ])
      )
      let page = try String(contentsOfFile: folder + "/run/report.html", encoding: .utf8)
      #expect(page.contains("<svg") && page.contains("PEQA, 4 bits") && !page.contains("<script"))
      #expect(try Data(contentsOf: URL(filePath: small + "/model.safetensors")) == codes)

      let measured = try losses(small, folder, ["--adapter", folder + "/run"])
      #expect(measured.count == 2)
      #expect(abs(measured[0] - before) < 1e-9 && abs(measured[1] - after) < 1e-9)

      let applied = try run(["adapters", "apply", small, folder + "/run", "--output", law])
      #expect(applied.status == 0, "\(applied.error)")
      #expect(try losses(law, folder) == [measured[1]])
      try expectSameCodes(small, law)
      let adapter = try ScaleAdapter(path: folder + "/run/adapter.safetensors")
      #expect(adapter.scales["model.layers.0.self_attn.q_proj"]?.shape == [32, 1])
      #expect(adapter.task == "run" && adapter.step == 30 && adapter.bits == "4")
      let tuned = try self.model(small)
      try tuned.usePEQA { $0.hasPrefix("blocks.") }
      let names = Dictionary(
        uniqueKeysWithValues: try PretrainedModel(at: URL(filePath: small)).configuration.tensors
          .map { ($0.path, $0.name) }
      )
      try ScaleTunedLayers(of: tuned) { path in
        String((names[path + ".weight"] ?? path).dropLast(".weight".count))
      }.load(adapter)
      let ids: [Int32] = [1, 7, 300, 12, 90, 4, 4, 250]
      let expected = tuned(ids, cache: tuned.makeCache())
      let plain = try self.model(law)
      #expect(plain(ids, cache: plain.makeCache()).elements == expected.elements)
    }
  }

  /// Thirty falling steps of at most 0.003 change no scale by more than a tenth of it.
  @Test func ratesMayBeSharesOfTheScales() throws {
    try withModelAndTexts { model, folder in
      func report(_ more: [String]) throws -> [String: Any] {
        try train(model, "peqa", folder, ["--scheme", "W4"] + more)
      }
      let relative = try report(["--relative"])
      let (before, after) = (try loss(relative, "lossBefore"), try loss(relative, "lossAfter"))
      #expect(after < before)
      let changes = try #require(relative["changes"] as? [[String: Any]])
      let largest = changes.compactMap { $0["largest"] as? Double }
      #expect(largest.count == 14 && largest.allSatisfy { $0 > 0.001 && $0 < 0.1 }, "\(largest)")
      let refused = try run([
        "train", model, "--method", "lora", "--relative", "--text", folder + "/text", "--output",
        folder + "/none",
      ])
      #expect(refused.status == 64 && refused.error.contains("--relative"))
    }
  }

  /// A folder that this package has quantized.
  private func model(_ path: String) throws -> DecoderModel {
    let pretrained = try PretrainedModel(at: URL(filePath: path))
    let weights = try ModelQuantization(
      document: #require(pretrained.quantization),
      path: path
    ).weights(
      pretrained.catalog,
      embeddings: pretrained.configuration.embeddingLayers,
      dense: DenseWeights(pretrained.catalog)
    )
    return try DecoderModel(pretrained.configuration, weights: weights)
  }

  /// All tensors but the scales are the same, and the scales are not.
  private func expectSameCodes(_ first: String, _ second: String) throws {
    let files = try [first, second].map { try SafetensorsFile(path: $0 + "/model.safetensors") }
    #expect(files[0].names.sorted() == files[1].names.sorted())
    var scales = 0
    for name in files[0].names {
      if name.hasSuffix("_scale") {
        let values: [Tensor<Float>] = try files.map { try $0.tensor(named: name) }
        #expect(values[0].elements != values[1].elements)
        #expect(files[1][name]?.type == .float32)
        scales += 1
      } else if name.hasSuffix("_packed") || name.hasSuffix("_planes") {
        let words = try files.map { try $0.tensor(named: name, as: Int32.self).elements }
        #expect(words[0] == words[1])
      } else if name.hasSuffix("_zero_point") {
        let points = try files.map { try $0.tensor(named: name, as: UInt8.self).elements }
        #expect(points[0] == points[1])
      } else {
        let values: [Tensor<Float>] = try files.map { try $0.tensor(named: name) }
        #expect(values[0].elements == values[1].elements)
      }
    }
    #expect(scales == 14)
  }

  @Test func codesInMemoryAreThoseOfTheFolder() throws {
    try withModelAndTexts { model, folder in
      let codes = ["--scheme", "W3G16", "--range", "mse"]
      let report = try train(model, "peqa", folder, codes)
      #expect(try loss(report, "lossAfter") < loss(report, "lossBefore"))
      try quantize(model, to: folder + "/small", "--scheme", "W3G16", "--range", "mse")
      let inMemory = try losses(model, folder, codes + ["--adapter", folder + "/run"])
      let stored = try losses(folder + "/small", folder, ["--adapter", folder + "/run"])
      #expect(inMemory == stored)

      try quantize(model, to: folder + "/other", "--scheme", "W4")
      let verified = try run(["adapters", "verify", folder + "/other", folder + "/run"])
      #expect(verified.status == 1 && verified.output.contains("belongs to the base"))
      #expect(verified.output.contains("tuned on 3 bits, groups of 16"))
      #expect(try run(["adapters", "verify", folder + "/small", folder + "/run"]).status == 0)
      let damaged = try run([
        "adapters", "verify", folder + "/small", folder + "/none", folder + "/run",
      ])
      #expect(damaged.status == 1 && damaged.output.contains("does not exist"))
      #expect(damaged.output.contains("fits"))
      let output = folder + "/applied"
      let foreign = try run([
        "adapters", "apply", folder + "/other", folder + "/run", "--output", output,
      ])
      #expect(foreign.status == 1 && foreign.error.contains("belongs to the base"))
      let dense = try run(["adapters", "apply", model, folder + "/run", "--output", output])
      #expect(dense.status == 1 && dense.error.contains("is in full precision"))
      #expect(!FileManager.default.fileExists(atPath: output))
    }
  }

  @Test func aPackedHeadLetsGradientsThrough() throws {
    try withModelAndTexts { model, folder in
      try quantize(model, to: folder + "/small", "--scheme", "W4", "--embedding-bits", "8")
      let report = try train(folder + "/small", "peqa", folder)
      #expect(try loss(report, "lossAfter") < loss(report, "lossBefore"))
      let measured = try losses(folder + "/small", folder, ["--adapter", folder + "/run"])
      #expect(try abs(measured[1] - loss(report, "lossAfter")) < 1e-9)
    }
  }

  @Test func scalesOfBinaryCodesAreTrainedInMemoryAndInFolders() throws {
    try withModelAndTexts { model, folder in
      let codes = ["--planes", "2", "--rounds", "0"]
      let report = try train(model, "alphatuning", folder, codes)
      #expect(try loss(report, "lossAfter") < loss(report, "lossBefore"))
      let measured = try losses(model, folder, codes + ["--adapter", folder + "/run"])
      #expect(try abs(measured[1] - loss(report, "lossAfter")) < 1e-9)
      let arguments = ["eval", model, "--text", folder + "/held", "--adapter", folder + "/run"]
      let other = try run(arguments + ["--planes", "2"])
      #expect(other.status == 1 && other.error.contains("belongs to the base"))

      let (signs, law) = (folder + "/signs", folder + "/law")
      let settings = ["--planes", "3", "--granularity", "channel"]
      let invocation = try Invocation(
        ["run", model, "--output", signs, "--method", "bcq"] + settings
      )
      #expect(invocation.wait() == 0, "\(invocation.error)")
      let tuned = try train(signs, "alphatuning", folder, to: "all", ["--trained-planes", "all"])
      let inner = try #require(tuned["report"] as? [String: Any])
      #expect(inner["trainableCount"] as? Int == 3 * 448)
      let stored = try losses(signs, folder, ["--adapter", folder + "/all"])
      let applied = try run(["adapters", "apply", signs, folder + "/all", "--output", law])
      #expect(applied.status == 0, "\(applied.error)")
      #expect(try losses(law, folder) == [stored[1]])
      try expectSameCodes(signs, law)

      // A task of one plane has the same base, and both are measured on it at once.
      let one = try train(signs, "alphatuning", folder, to: "one")
      let adapters = ["--adapter", folder + "/one", "--adapter", folder + "/all"]
      let both = try losses(signs, folder, adapters)
      #expect(try abs(both[1] - loss(one, "lossAfter")) < 1e-9 && both[2] == stored[1])
      let fits = try run(["adapters", "verify", signs, folder + "/one", folder + "/all"])
      #expect(fits.status == 0, "\(fits.error)")
      let tooFew = try run(
        ["eval", signs, "--text", folder + "/held", "--trained-planes", "1"] + adapters
      )
      #expect(tooFew.status == 1 && tooFew.error.contains("3 planes"), "\(tooFew.error)")
    }
  }

  @Test func aRunThatRuinsTheModelSaysSo() throws {
    try withModelAndTexts { model, folder in
      let arguments = ["train", model, "--method", "full", "--text", folder + "/text", "--quiet"]
      let rates = ["--steps", "30", "--learning-rate", "5", "--clip", "0"] + Self.cut
      let ruined = try run(arguments + ["--output", folder + "/ruined"] + rates)
      #expect(
        ruined.error.contains("the training loss rose") || ruined.error.contains("diverged"),
        "\(ruined.error)"
      )
      let sound = try run(arguments + ["--output", folder + "/sound", "--steps", "30"] + Self.cut)
      #expect(sound.status == 0 && sound.error.isEmpty, "\(sound.error)")
    }
  }

  // MARK: - All weights

  @Test func allWeightsBecomeAModel() throws {
    try withModelAndTexts { model, folder in
      let report = try train(model, "full", folder)
      let after = try loss(report, "lossAfter")
      #expect(try after < loss(report, "lossBefore"))
      #expect(try abs(losses(folder + "/run/model", folder)[0] - after) < 1e-4)
      #expect(try names(in: folder + "/run/model").contains("tokenizer.json"))
    }
  }

  // MARK: - Measuring

  @Test func noMoreWindowsAreReadThanAskedFor() throws {
    try withModelAndTexts { model, folder in
      let arguments = ["eval", model, "--text", folder + "/held", "--quiet", "--json"] + Self.cut
      let all = try #require(try document(arguments)["examples"] as? Int)
      #expect(all > 2)
      let first = try document(arguments + ["--max-windows", "2"])
      #expect(first["examples"] as? Int == 2 && first["tokens"] as? Int == 2 * 32)
      #expect(try losses(model, folder, ["--max-windows", "\(all)"]) == losses(model, folder))
      let part = try losses(model, folder, ["--max-windows", "1", "--validation-share", "0.5"])
      #expect(part.count == 1 && part[0].isFinite)
    }
  }

  // MARK: - Interruptions

  @Test(.timeLimit(.minutes(10))) func aRunThatIsKilledAndInterruptedEndsWithTheSameBytes() throws {
    try withModelAndTexts { model, folder in
      try quantize(model, to: folder + "/small", "--scheme", "W4")
      func arguments(_ name: String) -> [String] {
        [
          "train", folder + "/small", "--method", "peqa", "--text", folder + "/text", "--task", "t",
          "--steps", "400", "--checkpoint-interval", "10", "--output", folder + "/" + name,
          "--quiet",
        ] + Self.cut
      }
      #expect(try run(arguments("whole")).status == 0)
      func steps() -> Int {
        let path = folder + "/parts/log.jsonl"
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").count
      }
      for signal in [SIGKILL, SIGINT] {
        let start = steps()
        let invocation = try Invocation(arguments("parts"), of: "apus-finetune")
        #expect(invocation.waits { steps() > start + 25 }, "\(invocation.error)")
        invocation.send(signal)
        #expect(invocation.wait() == (signal == SIGKILL ? -SIGKILL : 130))
        if signal == SIGINT { #expect(invocation.error.contains("to go on after step")) }
        #expect(try !names(in: folder + "/parts").contains("adapter.safetensors"))
      }
      let last = try run(arguments("parts"))
      #expect(last.status == 0, "\(last.error)")
      let files = try ["whole", "parts"].map {
        try Data(contentsOf: URL(filePath: folder + "/\($0)/adapter.safetensors"))
      }
      #expect(files[0] == files[1])
      let other = try run(arguments("parts") + ["--decay", "0.5"])
      #expect(other.status == 1 && other.error.contains("fine-tuning"))
    }
  }

  /// Codes and embedding decide the numbers: a run goes on with the same of both only.
  @Test func aRunGoesOnWithTheSameModelAlone() throws {
    try withModelAndTexts { model, folder in
      try quantize(model, to: folder + "/small", "--scheme", "W4")
      let small = folder + "/small"
      let report = try train(small, "peqa", folder)
      #expect(try loss(report, "lossAfter") < loss(report, "lossBefore"))
      // A tenth of the run lies between checkpoints; two stay.
      let checkpoints = try FileManager.default.contentsOfDirectory(
        atPath: folder + "/run/checkpoints"
      )
      #expect(checkpoints.count { !$0.hasPrefix(".") } == 2, "\(checkpoints)")
      let path = small + "/model.safetensors"
      var bytes = try Data(contentsOf: URL(filePath: path))
      bytes[bytes.count - 1] ^= 1
      try bytes.write(to: URL(filePath: path))
      let other = try run(
        [
          "train", small, "--method", "peqa", "--text", folder + "/text", "--validation",
          folder + "/held", "--output", folder + "/run",
        ] + Self.training
      )
      #expect(other.status == 1 && other.error.contains("other settings"), "\(other.error)")
    }
  }

  // MARK: - Refusals

  @Test func wrongArgumentsAreExplained() throws {
    try withModelAndTexts { model, folder in
      try quantize(model, to: folder + "/small", "--scheme", "W4")
      let (text, small, output) = (folder + "/text", folder + "/small", folder + "/x")
      func train(_ model: String, _ method: String, _ more: String...) -> [String] {
        ["train", model, "--method", method, "--output", output, "--quiet"] + more
      }
      for (arguments, part) in [
        (train(model, "peqa", "--text", text), "add --scheme W4"),
        (train(small, "peqa", "--text", text, "--scheme", "W4"), "leave --scheme out"),
        (train(small, "full", "--text", text), "full-precision"),
        (train(small, "alphatuning", "--text", text), "--method bcq"),
        (train(model, "peqa", "--text", text, "--scheme", "W4A8"), "more than weights"),
        (train(model, "peqa", "--text", text, "--scheme", "X"), "'X' is no scheme"),
        (train(model, "peqa", "--text", text, "--planes", "3"), "--method alphatuning"),
        (train(model, "full", "--text", text, "--rank", "3"), "--method lora"),
        (train(model, "lora", "--text", text, "--targets", "c_proj"), "known are"),
        (train(model, "lora", "--text", text, "--learning-rate", "-1"), "must be above 0"),
        (train(model, "lora", "--text", text, "--task", " "), "--task is empty"),
        (train(model, "lora"), "--text or --data"),
        (train(model, "lora", "--text", text, "--length", "999"), "exceeds the context"),
        (train(model, "lora", "--text", text, "--length", "0"), "--length"),
        (train(model, "lora", "--text", text, "--steps", "2", "--epochs", "1"), "--epochs"),
        (train(model, "lora", "--text", folder + "/none"), folder + "/none"),
        (train(model, "lora", "--data", text), "line 1"),
        (train(folder + "/none", "lora", "--text", text), folder + "/none"),
        (["train", model, "--method", "lora", "--text", text, "--output", small], "holds no run"),
        (["train", model, "--method", "lora", "--text", text, "--output", text], "is a file"),
        (["eval", small, "--text", text, "--adapter", small], "holds no adapter"),
        (["eval", small, "--text", text, "--adapter", text], text),
        (["eval", small, "--text", text, "--adapter", folder + "/none"], "does not exist"),
        (["adapters", "list", small + "/model.safetensors"], "is no scale adapter"),
        (["memory", model, "--bits", "9"], "--bits 9"),
        (["memory", folder + "/none"], folder + "/none"),
        (["memory", model, "--targets", "q_proj, nothing"], "nothing is no layer"),
        (["memory", model, "--group-size", "9223372036854775807"], "no larger than any layer"),
        (["eval", small, "--text", text, "--validation-share", "2"], "between 0 and 1"),
        (["eval", small, "--text", text, "--max-windows", "0"], "--max-windows 0 is too small"),
        (["eval", small, "--data", text, "--max-windows", "1"], "belongs to --text"),
      ] {
        let outcome = try run(arguments)
        #expect(
          outcome.status != 0 && outcome.error.contains(part),
          "\(arguments): \(outcome.error)"
        )
        #expect(outcome.error.hasPrefix("apus-finetune: "))
      }
      #expect(!FileManager.default.fileExists(atPath: output))
    }
  }
}
