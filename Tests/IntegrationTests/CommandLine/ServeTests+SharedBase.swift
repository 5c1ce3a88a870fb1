import Checkpoints
import Foundation
import TestSupport
import Testing

// `apus-serve --share-base`: tasks as rows of one model.
extension ServeTests {
  /// A quantized model and two tasks of it, `small`, `law` and `code` in a folder.
  private func writeTasks(in folder: String) throws {
    try TinyModel().write(to: folder + "/tiny")
    let tuning = FinetuneCommandTests()
    try tuning.quantize(folder + "/tiny", to: folder + "/small", "--scheme", "W4G16")
    for (name, text) in [("law", FinetuneCommandTests.text), ("code", "for i in 0..<9 { x += i }")]
    {
      try Data(String(repeating: text, count: 40).utf8)
        .write(to: URL(filePath: "\(folder)/\(name).txt"))
      let arguments = [
        "train", folder + "/small", "--method", "peqa", "--text", "\(folder)/\(name).txt",
        "--output", "\(folder)/\(name)", "--steps", "12", "--learning-rate", "2e-2", "--quiet",
      ]
      let outcome = try tuning.run(arguments + FinetuneCommandTests.cut)
      try #require(outcome.status == 0, "\(outcome.error)")
    }
  }

  private func text(_ server: ServerUnderTest, _ model: String) async throws -> String {
    let answer = try await server.post(
      "/v1/completions",
      completion("Once upon", ["model": .string(model), "max_tokens": 30])
    )
    return try #require(answer["choices"]?[0]?["text"]?.stringValue, "\(answer)")
  }

  @Test func tasksShareOneBase() async throws {
    try await withTemporaryFolder { folder in
      try writeTasks(in: folder)
      let arguments = [
        folder + "/small", "--adapter", folder + "/law", "--adapter", folder + "/code", "--exact",
        "--parallel", "6", "--allow-loading",
      ]
      let names = ["small", "small:law", "small:code"]
      let separate = try ServerUnderTest(arguments)
      var expected: [String: String] = [:]
      for name in names { expected[name] = try await text(separate, name) }
      #expect(Set(expected.values).count == 3, "\(expected)")

      let server = try ServerUnderTest(arguments + ["--share-base"])
      // All at once, twice: in the same passes, and with keys and values that others have left.
      for _ in 0..<2 {
        let found = try await withThrowingTaskGroup(of: (String, String).self) { group in
          for name in names + names { group.addTask { (name, try await text(server, name)) } }
          return try await group.reduce(into: []) { $0.append($1) }
        }
        for (name, text) in found { #expect(text == expected[name], "\(name)") }
      }
      let metrics = try await server.send("GET", "/metrics").text
      #expect(metrics.contains("apus_texts_total{model=\"small:law\"} 4"))
      #expect(metrics.contains("apus_generated_tokens_total{model=\"small:law\"} 120"))
      // Passes are the base's, and fewer than tasks in turn would have needed.
      #expect(metrics.contains("apus_passes_total{model=\"small:law\"} 0"))

      let base = try await server.send("DELETE", "/v1/models/small")
      #expect(base.status == 400 && base.text.contains("unload these first"))
      #expect(try await server.send("DELETE", "/v1/models/small:law").status == 200)
      let gone = try await server.send(
        "POST",
        "/v1/completions",
        completion("Once", ["model": "small:law"])
      )
      #expect(gone.status == 404)
      // Another task under the name: nothing that the first has read is taken for its own.
      let loaded = try await server.send(
        "POST",
        "/v1/models",
        [
          "path": .string(folder + "/small"), "adapter": .string(folder + "/code"),
          "id": "small:law",
        ]
      )
      #expect(loaded.status == 200, "\(loaded.text)")
      #expect(try await text(server, "small:law") == expected["small:code"])
    }
  }

  @Test func aForeignTaskIsRefusedByTheBase() async throws {
    try await withTemporaryFolder { folder in
      try writeTasks(in: folder)
      let tuning = FinetuneCommandTests()
      try tuning.quantize(folder + "/tiny", to: folder + "/other", "--scheme", "W3G16")
      let server = try ServerUnderTest([folder + "/other", "--share-base", "--allow-loading"])
      let refused = try await server.send(
        "POST",
        "/v1/models",
        ["path": .string(folder + "/other"), "adapter": .string(folder + "/law")]
      )
      #expect(refused.status == 400 && refused.text.contains("belongs to the base"))
      #expect(try await text(server, "other").isEmpty == false)
    }
  }
}
