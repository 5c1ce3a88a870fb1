import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

/// `apus-novelty embed` with an encoder of random weights.
@Suite struct NoveltyEmbedTests {
  private func run(_ arguments: [String]) throws -> Outcome {
    let invocation = try Invocation(arguments + ["--threads", "1"], of: "apus-novelty")
    let status = invocation.wait()
    return Outcome(status: status, output: invocation.output, error: invocation.error)
  }

  private func withTexts(_ body: (_ encoder: String, _ folder: String) throws -> Void) throws {
    try withTemporaryFolder { folder in
      try TinyEncoder.write(to: folder + "/bert")
      let foxes = (0..<30).map { "the fox jumps over dog \($0)" }
      let others = (0..<30).map { "a \($0), \($0 + 1) and \($0 + 2)" }
      try AtomicFile.write(foxes.joined(separator: "\n") + "\n\n", to: folder + "/foxes.txt")
      try AtomicFile.write(others.joined(separator: "\n"), to: folder + "/others.txt")
      try body(folder + "/bert", folder)
    }
  }

  @Test func labelledSentencesAreEvaluatedByTheirNames() throws {
    try withTexts { encoder, folder in
      let vectors = folder + "/both.safetensors"
      let made = try run([
        "embed", "foxes=\(folder)/foxes.txt", "others=\(folder)/others.txt", "--encoder", encoder,
        "--output", vectors, "--quiet", "--json",
      ])
      #expect(made.status == 0, "\(made.error)")
      let document = try made.document()
      #expect(document["samples"] as? Int == 60 && document["width"] as? Int == TinyEncoder.width)
      #expect(document["emptyLines"] as? Int == 1)
      #expect(document["classes"] as? [String: Int] == ["foxes": 30, "others": 30])
      let found = try run([
        "eval", vectors, "--output", folder + "/study", "--methods", "knn", "mahalanobis",
        "--quiet",
      ])
      #expect(found.status == 0, "\(found.error)")
      #expect(found.output.contains("| foxes | others |") && found.output.contains("| kNN |"))
      let model = folder + "/foxes.safetensors"
      let trained = try run([
        "train", vectors, "--novel", "others", "--detector", "knn", "--fpr", "0.2", "--output",
        model,
        "--quiet",
      ])
      #expect(trained.status == 0, "\(trained.error)")
      let scored = try run(["score", model, vectors, "--quiet", "--json"])
      let samples = try #require(try scored.document()["samples"] as? [[String: Any]])
      #expect(samples.count == 60)
      #expect(samples.suffix(30).count { $0["isNovel"] as? Bool == true } > 20)
    }
  }

  @Test func vectorsWithoutClassesGoIntoEitherFormat() throws {
    try withTexts { encoder, folder in
      for name in ["a.npy", "a.safetensors"] {
        let made = try run([
          "embed", folder + "/foxes.txt", folder + "/others.txt", "--encoder", encoder,
          "--output", folder + "/" + name, "--quiet",
        ])
        #expect(made.status == 0, "\(made.error)")
      }
      let array = try NPYFile(path: folder + "/a.npy").floats()
      let file = try SafetensorsFile(path: folder + "/a.safetensors")
      #expect(file.names == ["samples"] && array.shape == [60, TinyEncoder.width])
      #expect(try file.tensor(named: "samples").elements == array.elements)
      let trained = try run([
        "train", folder + "/a.npy", "--detector", "knn", "--output", folder + "/m.safetensors",
        "--quiet",
      ])
      #expect(trained.status == 0, "\(trained.error)")
    }
  }

  @Test func whatCannotBeEmbeddedIsNamed() throws {
    try withTexts { encoder, folder in
      let (foxes, output) = (folder + "/foxes.txt", folder + "/x.safetensors")
      try AtomicFile.write("\n \n", to: folder + "/empty.txt")
      try AtomicFile.write([0x61, 0xFF, 0x0A], to: folder + "/latin.txt")
      let cases: [([String], Int32, String)] = [
        (
          [foxes, "--encoder", encoder, "--output", folder + "/x.csv"], 1,
          "must end in .safetensors"
        ),
        (
          ["a=" + foxes, "--encoder", encoder, "--output", folder + "/x.npy"], 1,
          "no place for classes"
        ),
        (["a=" + foxes, foxes, "--encoder", encoder, "--output", output], 64, "has no class"),
        ([folder + "/none.txt", "--encoder", encoder, "--output", output], 1, "none.txt"),
        ([folder + "/empty.txt", "--encoder", encoder, "--output", output], 1, "is empty"),
        ([folder + "/latin.txt", "--encoder", encoder, "--output", output], 1, "is not UTF-8"),
        ([foxes, "--encoder", folder + "/none", "--output", output], 1, "no such file or folder"),
        ([foxes, "--encoder", foxes, "--output", output], 1, "foxes.txt"),
        ([foxes, "--output", output], 64, "--encoder"),
      ]
      for (arguments, status, text) in cases {
        let outcome = try run(["embed"] + arguments)
        #expect(outcome.status == status, "\(arguments): \(outcome.error)")
        #expect(outcome.error.contains(text), "\(arguments): \(outcome.error)")
      }
      #expect(!FileManager.default.fileExists(atPath: output))
      try TinyModel().write(to: folder + "/decoder")
      let decoder = try run(["embed", foxes, "--encoder", folder + "/decoder", "--output", output])
      #expect(decoder.status == 1 && decoder.error.contains("a decoder, which is no encoder"))
    }
  }
}
