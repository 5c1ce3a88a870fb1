import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

/// The pages of Docs/Recipes: their commands, as they stand there, with fewer steps.
@Suite(.timeLimit(.minutes(10))) struct RecipeTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../..").standardizedFileURL

  /// The commands of a page, without those that build or fetch.
  ///
  /// What needs other people's programs stands in blocks of `bash`, not of `sh`.
  private func commands(of page: String, withOthers: Bool) throws -> String {
    let path = Self.root.appending(path: "Docs/Recipes/\(page).md")
    let text = try String(contentsOf: path, encoding: .utf8)
    let parts = text.components(separatedBy: "```").enumerated().filter { $0.offset % 2 == 1 }
    let blocks = parts.compactMap { _, part in
      let kind = part.prefix { $0 != "\n" }
      return kind == "sh" || withOthers && kind == "bash" ? part.dropFirst(kind.count) : nil
    }
    let lines = blocks.joined(separator: "\n").split(separator: "\n")
    let builds = ["swift build", "export PATH", "Tools/fetch-models"]
    return lines.filter { line in !builds.contains { line.hasPrefix($0) } }.joined(separator: "\n")
  }

  /// Runs a page in a folder that has the checkout's documents; the folder is removed afterwards.
  private func withPage(
    _ page: String,
    _ variables: [String: String] = ["STEPS": "12", "TUNING_STEPS": "4"],
    others: String? = nil,
    _ body: (_ output: String, _ folder: String) throws -> Void
  ) throws {
    let programs = [
      "apus-pretrain", "apus-quantize", "apus-finetune", "apus-generate", "apus-serve",
      "apus-novelty", "apus-lidar", "apus-ground", "apus-federate",
    ]
    let folders = Set(try programs.map { try Invocation.program($0).deletingLastPathComponent() })
    let paths = folders.map { $0.path(percentEncoded: false) } + (others.map { [$0] } ?? [])
    let path = paths.joined(separator: ":")
    let port = try ServerUnderTest.freePort()
    try withTemporaryFolder { folder in
      for name in ["README.md", "CONTRIBUTING.md", "Docs", "Models", "Tools"] {
        try FileManager.default.copyItem(
          at: Self.root.appending(path: name),
          to: URL(filePath: folder + "/" + name)
        )
      }
      let values = variables.map { " \($0)='\($1)'" }.sorted().joined()
      let script = """
        set -euo pipefail
        cd '\(folder)'
        export PATH='\(path)':"$PATH" PORT=\(port)\(values)
        \(try commands(of: page, withOthers: others != nil))
        """
      let run = try Invocation([script], of: "apus-serve", through: "exec bash -c \"$1\"")
      #expect(run.wait() == 0, "\(run.error.suffix(2000))")
      try body(run.output, folder)
    }
  }

  /// The texts of the completions that a page has asked for.
  private func completions(_ output: String) -> [String: [String]] {
    var found: [String: [String]] = [:]
    for line in output.split(separator: "\n") {
      guard let start = line.range(of: #"{"id":"cmpl-"#)?.lowerBound,
        let document = try? JSONValue.parse(String(line[start...])),
        let model = document["model"]?.stringValue,
        let text = document["choices"]?[0]?["text"]?.stringValue
      else { continue }
      found[model, default: []].append(text)
    }
    return found
  }

  @Test func ownModelRunsFromTextToGGUF() throws {
    try withPage("own-model") { output, folder in
      // Full precision and three roundings, then the three of the domain.
      let tables = output.components(separatedBy: "perplexity").count - 1
      #expect(tables >= 2, "\(output)")
      #expect(completions(output)["flexround:docs"]?.count == 1, "\(output)")
      let file = try GGUFFile(path: folder + "/own/tuned.gguf")
      #expect(file.architecture == "glm4")
      let logits = try SafetensorsFile(path: folder + "/own/tuned.logits")
      #expect(logits["logits"]?.extents == [100, 512])
    }
  }

  private static let python = ProcessInfo.processInfo.environment["APUS_LLAMA_PYTHON"]

  @Test(
    .enabled(if: python != nil, "needs Python with llama-cpp-python and numpy: APUS_LLAMA_PYTHON")
  )
  func llamaCppComputesWhatTheRecipeMade() throws {
    try withPage("own-model") { _, folder in try checkWithLlama(folder) }
  }

  private func checkWithLlama(_ folder: String) throws {
    let python = try #require(Self.python)
    let script = Self.root.appending(path: "Tools/peers/llama_logits.py").path(
      percentEncoded: false
    )
    let run = try Invocation(
      [python, script, folder + "/own/tuned.gguf", folder + "/own/tuned.logits"],
      of: "apus-serve",
      through: "exec \"$@\""
    )
    #expect(run.wait() == 0, "\(run.error)")
    let found = try JSONValue.parse(run.output)
    // It rounds activations to 8 bits beside codes.
    #expect(found["divergence"]?.doubleValue ?? 1 < 1e-3, "\(run.output)")
    #expect(found["agreement"]?.doubleValue ?? 0 > 0.95, "\(run.output)")
  }

  @Test(.enabled(if: RealModel.minilm.isPresent, RealModel.skipMessage))
  func novelSentencesAreTold() throws {
    let short = ["SENTENCES": "30", "SEEDS": "0", "EPOCHS": "2", "ENCODER": RealModel.minilm.path]
    try withPage("novel-sentences", short) { output, folder in
      for method in ["kNN", "Mahalanobis", "PCA", "OAAE"] {
        #expect(output.contains("| \(method) |"), "\(output)")
      }
      let scores = try String(contentsOfFile: folder + "/sentences/scores.csv", encoding: .utf8)
      let novel = scores.split(separator: "\n").dropFirst().map { $0.hasSuffix(",true") }
      #expect(novel.count == 40)
      // The first 20 are of the kind that was left out.
      #expect(novel.prefix(20).count { $0 } > novel.suffix(20).count { $0 } + 5, "\(scores)")
    }
  }

  @Test func novelScansAreTold() throws {
    let short = ["SCANS": "10", "TEST_SCANS": "3", "FAULTS": "dirty"]
    try withPage("novel-scans", short) { output, folder in
      #expect(output.components(separatedBy: "AUROC").count == 2, "\(output)")
      let file = try SafetensorsFile(path: folder + "/scans/dirty.safetensors")
      #expect(file["samples"]?.extents == [6, 32])
    }
  }

  @Test func packedLidarNetworksAreMeasured() throws {
    let short = ["BITS": "3", "SCANS": "2", "STEPS": "4", "SENSORS": "vlp16", "TEST_SCANS": "1"]
    try withPage("quantized-lidar", short) { output, folder in
      for name in ["full", "nearest-3", "flexround-3"] {
        let rows = output.split(separator: "\n").filter { $0.hasPrefix(name + " ") }
        #expect(rows.count == 1, "\(output)")
      }
      #expect(FileManager.default.fileExists(atPath: folder + "/packed/labels/scan.label"))
    }
  }

  @Test func theGroundingPolicyIsRoundedAndMeasured() throws {
    let short = ["WIDTH": "64", "STEPS": "12", "PAGES": "8"]
    try withPage("grounding-in-4-bits", short) { output, folder in
      #expect(output.contains("21 layers at W4"), "\(output)")
      let lines = output.split(separator: "\n")
      for method in ["greedy", "vote", "full"] {
        #expect(lines.count { $0.hasPrefix("ground/eval: \(method) ") } == 1, "\(output)")
      }
      // One response to a page, 16 and 64.
      #expect(lines.count { $0.hasPrefix("ground/w4.safetensors ") } == 3, "\(output)")
      let file = try SafetensorsFile(path: folder + "/ground/w4.safetensors")
      #expect(file["blocks.0.up.weight_packed"]?.extents == [256, 8])
    }
  }

  private static let federated = ["STEPS": "12", "ROUNDS": "2", "FLOWER_ROUNDS": "1"]

  @Test func devicesTuneTheScalesOfOneBase() throws {
    try withPage("federated-scales", Self.federated) { _, folder in
      let adapter = try SafetensorsFile(path: folder + "/federated/docs.safetensors")
      #expect(adapter.metadata["format"] == "scale-adapter" && adapter.entries.count == 14)
    }
  }

  /// The folder of Flower's programs; nil without them.
  private static let flower: String? = {
    guard let given = ProcessInfo.processInfo.environment["APUS_FLOWER_PYTHON"] else { return nil }
    let folders = [given + "/bin", URL(filePath: given).deletingLastPathComponent().path]
    return folders.first { FileManager.default.isExecutableFile(atPath: $0 + "/flower-superlink") }
  }()

  @Test(.enabled(if: flower != nil, "needs Python with flwr 1.40 to 1.42: APUS_FLOWER_PYTHON"))
  func flowersServerAveragesTheScalesOfOneBase() throws {
    try withPage("federated-scales", Self.federated, others: Self.flower) { _, folder in
      let start = try SafetensorsFile(path: folder + "/federated/start.safetensors")
      let end = try SafetensorsFile(path: folder + "/federated/flower.safetensors")
      let name = try #require(start.entries.first).name
      let scales = try start.tensor(named: name, as: Float.self)
      let tuned = try end.tensor(named: name, as: Float.self)
      #expect(scales.shape == tuned.shape && scales != tuned)
    }
  }

  @Test func tasksInOneServerAreSwapped() throws {
    try withPage("tasks-in-one-server") { output, _ in
      let texts = completions(output)
      let names =
        ["integers:peqa-novel", "integers:peqa-decisions"]
        + ["signs:alpha-novel", "signs:alpha-decisions"]
      for name in names { #expect(texts[name]?.count == 1, "\(output)") }
      let base = try #require(texts["integers"])
      #expect(base.count == 2 && base[0] == base[1])
    }
  }
}
