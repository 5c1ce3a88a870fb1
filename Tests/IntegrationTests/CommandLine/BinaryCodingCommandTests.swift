import Foundation
import TestSupport
import Testing

/// `run --method bcq`, and what the other commands make of its folders.
@Suite struct BinaryCodingCommandTests {
  private func run(_ arguments: [String]) throws -> Outcome {
    let invocation = try Invocation(arguments)
    let status = invocation.wait()
    return Outcome(status: status, output: invocation.output, error: invocation.error)
  }

  @Test(arguments: [
    (["--planes", "3", "--group-size", "8"], "bcq 3 planes, groups of 8"),
    ([], "bcq 4 planes, groups of 64"),
    (["--planes", "1", "--granularity", "channel", "--rounds", "0"], "bcq 1 plane, per channel"),
    (
      ["--planes", "2", "--rounds", "3", "--embedding-bits", "8", "--scale-type", "float32"],
      "bcq 2 planes, groups of 64, embedding 8 bits"
    ),
  ])
  func theResultIsAModel(options: [String], text: String) throws {
    try withTinyModel { model, folder in
      let output = folder + "/small"
      let arguments = ["run", model, "--output", output, "--method", "bcq"]
      let outcome = try run(arguments + options)
      #expect(outcome.status == 0, "\(outcome.error)")
      #expect(outcome.error.contains("quantizing: 20 tensors in"))
      #expect(outcome.output.contains("after   \(text)"), "\(outcome.output)")
      let inspection = try apusQuantize("inspect", output)
      #expect(inspection.output.contains(text) && inspection.output.contains("binary_planes"))
      let facts = try apusQuantize("inspect", output, "--json").document()
      #expect(facts["parameters"] as? Int == 31_904)
      let generation = try apusGenerate(output, "Once", "--tokens", "3", "--json")
      let texts = try generation.document()["texts"] as? [[String: Any]]
      #expect(texts?.first?["prompt"] as? String == "Once", "\(generation.error)")
      #expect(try names(in: folder) == ["small", "tiny"])
      let again = try run(arguments + options + ["--force"])
      #expect(again.status == 0, "\(again.error)")
    }
  }

  @Test func morePlanesAreNearer() throws {
    try withTinyModel { model, folder in
      let text = folder + "/text"
      let words = String(repeating: "One day, Tim and Lily went to the park. ", count: 40)
      try Data(words.utf8).write(to: URL(filePath: text))
      let divergences = try ["1", "3", "6"].map { planes in
        let document = try run(
          ["run", model, "-o", folder + "/" + planes, "--method", "bcq", "--planes", planes]
            + ["--group-size", "16", "--evaluate", text, "--max-windows", "2", "--json"]
            + ["--report", folder + "/\(planes).json"]
        ).document()
        let layers = try #require(document["layers"] as? [[String: Any]])
        #expect(layers.count == 14 && layers.allSatisfy { $0["bits"] as? Int == Int(planes) })
        let evaluations = try #require(document["evaluations"] as? [[String: Any]])
        return try #require(evaluations.last?["klDivergence"] as? Double)
      }
      #expect(divergences[0] > divergences[1] && divergences[1] > divergences[2])
      // The numbers that the codes stand for, as another tool would read them.
      let floats = folder + "/floats"
      let export = try apusQuantize("export", folder + "/3", "--output", floats)
      #expect(export.status == 0, "\(export.error)")
      let document = try run(
        ["eval", folder + "/3", floats, "--text", text, "--max-windows", "2", "--json"]
      ).document()
      let models = try #require(document["models"] as? [[String: Any]])
      let delta = try #require(models.last?["delta"] as? Double)
      let perplexity = try #require(models.first?["perplexity"] as? Double)
      #expect(abs(delta) < 1e-4 * perplexity)
      let refused = try apusQuantize(
        "export",
        folder + "/3",
        "--format",
        "gptq",
        "--output",
        folder + "/packed"
      )
      #expect(refused.status == 1 && refused.errorLines.count == 1)
      #expect(refused.error.contains("gptq cannot hold 'model.layers.0."))
    }
  }

  @Test func damageIsNamed() throws {
    try withTinyModel { model, folder in
      let small = folder + "/small"
      let planes = ["--method", "bcq", "--planes", "2"]
      #expect(try run(["run", model, "-o", small] + planes).status == 0)
      let path = URL(filePath: small + "/config.json")
      let text = try String(contentsOf: path, encoding: .utf8)
      for (pattern, change, reason) in [
        (#""planes" *: *2"#, #""planes": 3"#, "has 2 planes, the configuration says 3"),
        (#""planes" *: *2"#, #""planes": 12"#, "12 binary planes cannot be coded"),
        (#""group_size" *: *64"#, #""group_size": 16"#, "binary_scale"),
      ] {
        let damaged = text.replacing(try Regex(pattern), with: change)
        #expect(damaged != text)
        try Data(damaged.utf8).write(to: path)
        let outcome = try apusGenerate(small, "Once")
        #expect(outcome.status == 1 && outcome.errorLines.count == 1)
        #expect(outcome.error.contains(reason), "\(outcome.error)")
      }
    }
  }
}
