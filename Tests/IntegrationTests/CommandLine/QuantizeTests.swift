import Foundation
import TestSupport
import Testing

/// `run`: what it writes, and what it refuses to write over.
@Suite struct QuantizeTests {
  let text = String(repeating: "Once upon a time there was a little girl named Lily. ", count: 40)

  @Test(arguments: [
    ["--bits", "2"], ["--bits", "8", "--symmetric", "--granularity", "tensor"],
    ["--bits", "3", "--granularity", "channel", "--range", "mse", "--scale-type", "float32"],
    ["--bits", "5", "--group-size", "7", "--embedding-bits", "6"],
  ])
  func theResultIsAModel(options: [String]) throws {
    try withTinyModel { model, folder in
      let output = folder + "/small"
      let run = try Invocation(["run", model, "--output", output] + options)
      #expect(run.wait() == 0, "\(run.error)")
      #expect(run.error.contains("quantizing: 20 tensors in"))
      #expect(run.output.contains("after   rtn \(options[1]) bits"))
      #expect(try apusQuantize("inspect", output).output.contains("rtn \(options[1]) bits"))
      let generation = try apusGenerate(output, "Once", "--tokens", "3", "--json")
      let texts = try generation.document()["texts"] as? [[String: Any]]
      #expect(texts?.first?["prompt"] as? String == "Once")
      #expect(try names(in: folder) == ["small", "tiny"])
    }
  }

  @Test func theReportAddsUp() throws {
    try withTinyModel { model, folder in
      let text = folder + "/text"
      try Data(self.text.utf8).write(to: URL(filePath: text))
      let document = try apusQuantize(
        "run",
        model,
        "--output",
        folder + "/small",
        "--evaluate",
        text,
        "--max-windows",
        "2",
        "--json"
      ).document()
      let layers = try #require(document["layers"] as? [[String: Any]])
      let kept = try #require(document["kept"] as? [[String: Any]])
      #expect(layers.count == 14 && kept.count == 6)
      let bytes = (layers + kept).reduce(0) { $0 + ($1["bytes"] as? Int ?? 0) }
      #expect(document["bytes"] as? Int == bytes)
      #expect(document["parameters"] as? Int == 31_904)
      #expect(layers.allSatisfy { ($0["relativeError"] as? Double ?? 1) < 0.05 })
      let evaluations = try #require(document["evaluations"] as? [[String: Any]])
      #expect(evaluations.count == 2 && evaluations[0]["delta"] == nil)
      let inspection = try apusQuantize("inspect", folder + "/small", "--json").document()
      #expect(inspection["bytes"] as? Int == bytes)
      #expect(inspection["parameters"] as? Int == 31_904)
    }
  }

  /// Methods that look at weights alone have a page as well.
  @Test(arguments: ["rtn", "bcq"]) func weightsAloneAreReported(method: String) throws {
    try withTinyModel { model, folder in
      let options =
        ["run", model, "--method", method] + (method == "bcq" ? ["--planes", "3"] : [])
      for name in ["report.html", "report.json"] {
        let invocation = try Invocation(
          options + ["--output", folder + "/" + name + "-model", "--report", folder + "/" + name]
        )
        #expect(invocation.wait() == 0, "\(invocation.error)")
      }
      let html = try String(contentsOfFile: folder + "/report.html", encoding: .utf8)
      for part in [
        "relative error of the weights", "mean step size", "Weights before and after",
        "model.layers.1.mlp.down_proj", "<svg",
      ] { #expect(html.contains(part), "\(part)") }
      #expect(!html.contains("Where codes moved"))
      let data = try Data(contentsOf: URL(filePath: folder + "/report.json"))
      let report = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
      let layers = try #require(report["layers"] as? [[String: Any]])
      #expect(layers.count == 14 && (report["blocks"] as? [Any])?.isEmpty == true)
      for layer in layers {
        let shape = try #require(layer["shape"] as? [Int])
        let histogram = try #require(layer["histogram"] as? [String: Any])
        for side in ["original", "rounded"] {
          let counts = try #require(histogram[side] as? [Int])
          #expect(counts.reduce(0, +) == shape.reduce(1, *))
        }
        let steps = try #require(layer["stepSizes"] as? [String: Double])
        let (least, most) = (steps["minimum"] ?? .nan, steps["maximum"] ?? .nan)
        #expect(least <= steps["mean"] ?? .nan && most > 0)
      }
    }
  }

  @Test func aTakenPlaceNeedsForce() throws {
    try withTinyModel { model, folder in
      let output = folder + "/small"
      #expect(try apusQuantize("run", model, "-o", output, "--bits", "4").status == 0)
      let again = try apusQuantize("run", model, "-o", output, "--bits", "8")
      #expect(again.status == 1 && again.error.contains("add --force"))
      let forced = try apusQuantize("run", model, "-o", output, "--bits", "8", "--force")
      #expect(forced.status == 0)
      #expect(try apusQuantize("inspect", output).output.contains("rtn 8 bits"))
      #expect(try names(in: folder) == ["small", "tiny"])
    }
  }

  @Test func forceReplacesModelsOnly() throws {
    try withTinyModel { model, folder in
      let notes = folder + "/notes"
      try FileManager.default.createDirectory(atPath: notes, withIntermediateDirectories: true)
      try Data("keep".utf8).write(to: URL(filePath: notes + "/diary.txt"))
      for (place, reason) in [
        (notes, "holds 'diary.txt'"), (model, "holds the model that is read"),
        (folder, "holds the model that is read"), (notes + "/diary.txt", "is a file"),
        (".", "is the folder you are in"), ("/", "is the folder you are in"),
      ] {
        let outcome = try apusQuantize("run", model, "-o", place, "--force")
        #expect(outcome.status == 1 && outcome.errorLines.count == 1)
        #expect(outcome.error.contains(reason), "\(place): \(outcome.error)")
      }
      #expect(try names(in: notes) == ["diary.txt"])
      #expect(try names(in: folder) == ["notes", "tiny"])
    }
  }

  @Test func forceNeverReplacesWhatThisProgramDidNotWrite() throws {
    try withTinyModel { model, folder in
      // The model is reached through links, as in a download cache: its files must survive.
      let links = folder + "/links"
      try FileManager.default.createDirectory(atPath: links, withIntermediateDirectories: true)
      for name in try names(in: model) {
        try FileManager.default.createSymbolicLink(
          atPath: links + "/" + name,
          withDestinationPath: model + "/" + name
        )
      }
      let before = try names(in: model)
      let outcome = try apusQuantize("run", links, "-o", model, "--force")
      #expect(outcome.status == 1 && outcome.errorLines.count == 1)
      #expect(try names(in: model) == before)
      #expect(try apusQuantize("inspect", model).status == 0)

      // A file of the user's beside a quantized model must survive too.
      let small = folder + "/small"
      #expect(try apusQuantize("run", model, "-o", small).status == 0)
      try Data("keep".utf8).write(to: URL(filePath: small + "/thesis.txt"))
      let again = try apusQuantize("run", model, "-o", small, "--force")
      #expect(again.status == 1 && again.error.contains("holds 'thesis.txt'"))
      #expect(try names(in: small).contains("thesis.txt"))
    }
  }

  @Test func aConfigurationThatDoesNotFitIsRefusedBeforeTheWork() throws {
    try withTinyModel { model, folder in
      let path = URL(filePath: model + "/config.json")
      let text = String(decoding: try Data(contentsOf: path), as: UTF8.self)
      let pattern = try Regex(#""intermediate_size" *: *[0-9]+"#)
      let wrong = text.replacing(pattern, with: "\"intermediate_size\": 999")
      #expect(wrong != text)
      try Data(wrong.utf8).write(to: path)
      let outcome = try apusQuantize("run", model, "-o", folder + "/small")
      #expect(outcome.status == 1 && outcome.errorLines.count == 1)
      #expect(outcome.error.contains("gate_proj.weight"), "\(outcome.error)")
      #expect(try names(in: folder) == ["tiny"])
    }
  }

  @Test func aPlaceThatTakesNothingIsRefusedBeforeTheWork() throws {
    try withTinyModel { model, folder in
      for place in ["/proc/small", "/dev/null/small"] {
        let outcome = try apusQuantize("run", model, "-o", place)
        #expect(outcome.status == 1 && outcome.errorLines.count == 1, "\(outcome.error)")
        #expect(outcome.error.hasPrefix("apus-quantize: cannot write output \(place): "))
      }
    }
  }

  @Test func aQuantizedModelIsNoSource() throws {
    try withTinyModel { model, folder in
      #expect(try apusQuantize("run", model, "-o", folder + "/small").status == 0)
      let outcome = try apusQuantize("run", folder + "/small", "-o", folder + "/smaller")
      #expect(outcome.status == 1 && outcome.error.contains("is quantized already"))
    }
  }

  @Test func aFullDiskLeavesNothing() throws {
    try withTinyModel { model, folder in
      // Blocks of 512 bytes: less than the weights take.
      let outcome = try apusQuantize(
        "run",
        model,
        "-o",
        folder + "/small",
        through: "ulimit -f 40; exec \"$0\" \"$@\""
      )
      #expect(outcome.status == 1)
      #expect(outcome.errorLines.count == 1, "\(outcome.error)")
      #expect(outcome.error.contains("no space left") && outcome.error.contains("/small"))
      #expect(try names(in: folder) == ["tiny"])
    }
  }

  @Test func quietSaysNothingOnStandardError() throws {
    try withTinyModel { model, folder in
      let outcome = try apusQuantize("run", model, "-o", folder + "/small", "--quiet")
      #expect(outcome.status == 0 && outcome.error.isEmpty && !outcome.output.isEmpty)
    }
  }
}
