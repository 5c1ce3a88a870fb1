import Checkpoints
import Foundation
import ImageFiles
import Tensor
import TestSupport
import Testing

/// `apus-novelty` on samples that are made up.
@Suite struct NoveltyCommandTests {
  @discardableResult
  func run(_ arguments: [String]) throws -> Outcome {
    let invocation = try Invocation(arguments + ["--threads", "1"], of: "apus-novelty")
    let status = invocation.wait()
    return Outcome(status: status, output: invocation.output, error: invocation.error)
  }

  /// 12 × 12 pixels, in which the place of a bar is the class.
  static func pixels(_ label: Int, _ index: Int) -> [UInt8] {
    (0..<144).map { place in
      let isBar = (3 * label..<3 * label + 3).contains(place % 12)
      return isBar ? 220 : UInt8((place * 31 + index * 17) % 60)
    }
  }

  /// MNIST's four files with four classes.
  static func makeIDX(in folder: String) throws {
    for (part, count) in [("train", 240), ("t10k", 80)] {
      var images: [UInt8] = [0, 0, 8, 3, 0, 0, 0, UInt8(count), 0, 0, 0, 12, 0, 0, 0, 12]
      var labels: [UInt8] = [0, 0, 8, 1, 0, 0, 0, UInt8(count)]
      for index in 0..<count {
        labels.append(UInt8(index % 4))
        images += pixels(index % 4, index)
      }
      try AtomicFile.write(images, to: folder + "/\(part)-images-idx3-ubyte")
      try AtomicFile.write(labels, to: folder + "/\(part)-labels-idx1-ubyte")
    }
  }

  /// Folders of classes with PNG files.
  static func makePictures(in folder: String, classes: [String], count: Int) throws {
    for (label, name) in classes.enumerated() {
      let path = folder + "/" + name
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      for index in 0..<count {
        let tensor = Tensor<UInt8>(pixels(label, index), shape: [12, 12, 1])
        try DecodedImage(pixels: tensor).writePNG(to: path + "/\(index).png")
      }
    }
  }

  /// Points about (0, 0, 0) of the class `near`, some far away of the class `far`.
  static func makeTable(at path: String, count: Int) throws {
    var text = "x,y,z,kind\n"
    for index in 0..<count {
      let isFar = index % 5 == 4
      let values = (0..<3).map { axis in
        Double((index * 37 + axis * 11) % 23) / 23 + (isFar ? 9 : 0)
      }
      text += values.map { "\($0)" }.joined(separator: ",") + (isFar ? ",far\n" : ",near\n")
    }
    try AtomicFile.write(text, to: path)
  }

  @Test(.timeLimit(.minutes(10)))
  func digitsAreLearnedScoredAndReported() throws {
    try withTemporaryFolder { folder in
      try Self.makeIDX(in: folder)
      for method in ["aae", "oaae"] {
        let trained = try run([
          "train", folder, "--novel", "3", "--detector", method, "--epochs", "3", "--batch", "16",
          "--output", folder + "/\(method).safetensors", "--quiet", "--json",
        ])
        #expect(trained.status == 0, "\(trained.error)")
        let document = try trained.document()
        #expect(document["classCount"] as? Int == 3)
        #expect(document["calibrationSamples"] as? Int == 36)
        let checkpoints = folder + "/\(method).safetensors.checkpoints"
        #expect(!FileManager.default.fileExists(atPath: checkpoints))
      }
      let model = folder + "/oaae.safetensors"
      let scored = try run(["score", model, folder, "--fpr", "0.1", "--quiet", "--json"])
      #expect(scored.status == 0, "\(scored.error)")
      let samples = try #require(try scored.document()["samples"] as? [[String: Any]])
      #expect(samples.count == 80)
      #expect(samples.allSatisfy { ($0["pValue"] as? Double ?? 0) > 0 })
      // 36 normals set the threshold: fewer than 1 in 100 needs.
      let strict = try run(["score", model, folder, "--fpr", "0.01"])
      #expect(strict.status == 1 && strict.error.contains("at least 99 are needed"))
      let report = try run([
        "report", folder + "/aae.safetensors", model, "--data", folder, "--novel", "3",
        "--output", folder + "/page.html", "--images", "4", "--quiet", "--json",
      ])
      #expect(report.status == 0, "\(report.error)")
      let list = try JSONSerialization.jsonObject(with: Data(report.output.utf8))
      let geometry = try #require(list as? [[String: Any]]).compactMap {
        $0["geometry"] as? [String: Double]
      }
      #expect(geometry.count == 2)
      for one in geometry {
        let cosines = [one["withinClasses"] ?? -1, one["betweenClasses"] ?? -1]
        #expect(cosines.allSatisfy { $0 > 0 && $0 <= 1 })
      }
      let page = try String(contentsOfFile: folder + "/page.html", encoding: .utf8)
      // Two Gram matrices, and four images on both ends with their reconstructions, twice.
      #expect(page.components(separatedBy: "data:image/png;base64,").count - 1 == 2 + 4 * 2 * 2 * 2)
      #expect(page.contains("without orthogonal embedding") && !page.contains("http-equiv"))
    }
  }

  @Test(.timeLimit(.minutes(10)))
  func anInterruptedTrainingGoesOnToTheSameFile() throws {
    try withTemporaryFolder { folder in
      try Self.makeIDX(in: folder)
      func arguments(_ name: String) -> [String] {
        [
          "train", folder, "--epochs", "25", "--batch", "16", "--validation-share", "0", "--quiet",
          "--output", folder + "/\(name).safetensors",
        ]
      }
      let invocation = try Invocation(arguments("a") + ["--threads", "1"], of: "apus-novelty")
      let checkpoints = folder + "/a.safetensors.checkpoints"
      #expect(invocation.waits { FileManager.default.fileExists(atPath: checkpoints) })
      invocation.send(SIGINT)
      #expect(invocation.wait() == 130)
      #expect(invocation.error.contains("run the same command to go on"))
      #expect(!FileManager.default.fileExists(atPath: folder + "/a.safetensors"))
      for name in ["a", "b"] { #expect(try run(arguments(name)).status == 0) }
      let files = try ["a", "b"].map { name in
        try Data(contentsOf: URL(filePath: "\(folder)/\(name).safetensors"))
      }
      #expect(files[0] == files[1])
      #expect(!FileManager.default.fileExists(atPath: checkpoints))
    }
  }

  @Test(.timeLimit(.minutes(10)))
  func methodsAreEvaluatedClassByClass() throws {
    try withTemporaryFolder { folder in
      try Self.makeIDX(in: folder)
      let study = folder + "/study"
      let arguments = [
        "eval", folder, "--output", study, "--methods", "oaae", "pca", "--epochs", "2", "--batch",
        "16", "--quiet", "--json", "--classes",
      ]
      let first = try run(arguments + ["0"])
      #expect(first.status == 0, "\(first.error)")
      let both = try run(arguments + ["0", "2"])
      #expect(both.status == 0, "\(both.error)")
      let report = try #require(try both.document()["report"] as? [String: Any])
      let results = try #require(report["results"] as? [[String: Any]])
      #expect(results.compactMap { $0["label"] as? Int } == [0, 0, 2, 2])
      #expect(results.compactMap { $0["method"] as? String } == ["OAAE", "PCA", "OAAE", "PCA"])
      let before = try Data(contentsOf: URL(filePath: study + "/report.json"))
      #expect(try run(arguments + ["0", "2"]).output == both.output)
      #expect(try Data(contentsOf: URL(filePath: study + "/report.json")) == before)
      let table = try String(contentsOfFile: study + "/report.md", encoding: .utf8)
      #expect(table.contains("| OAAE | angle |") && table.contains("| PCA | score |"))
      let other = try run(arguments.map { $0 == "2" ? "3" : $0 } + ["0"])
      #expect(other.status == 1 && other.error.contains("settings or samples"))
    }
  }

  @Test(.timeLimit(.minutes(10)))
  func foldersOfPicturesAreLearnedAndScored() throws {
    try withTemporaryFolder { folder in
      let pictures = folder + "/pictures"
      try Self.makePictures(in: pictures, classes: ["a", "b", "c"], count: 20)
      let model = folder + "/knn.safetensors"
      let trained = try run([
        "train", pictures, "--detector", "knn", "--novel", "c", "--size", "8", "--quiet",
        "--output", model,
      ])
      #expect(trained.status == 0, "\(trained.error)")
      let size = try run(["score", model, pictures + "/c", "--quiet"])
      #expect(size.status == 1)
      #expect(size.error.contains("0.png: 12x12 pixels, expected 8x8; give --resize"))
      let scored = try run(["score", model, pictures, "--resize", "--quiet"])
      let lines = scored.output.split(separator: "\n").dropFirst()
      #expect(lines.count == 60)
      let novel = lines.filter { $0.hasSuffix(",true") }
      #expect(novel.count { $0.contains("/c/") } == 20)
      #expect(novel.count < 26)
      // A file that is cut off is named; with the option the others are scored.
      let cut = pictures + "/a/3.png"
      let bytes = try Data(contentsOf: URL(filePath: cut))
      try AtomicFile.write(Array(bytes.prefix(bytes.count / 2)), to: cut)
      let refused = try run(["score", model, pictures, "--resize", "--quiet"])
      #expect(refused.status == 1 && refused.error.contains("a/3.png: damaged"))
      let skipped = try run(["score", model, pictures, "--resize", "--quiet", "--skip-unreadable"])
      #expect(skipped.status == 0 && skipped.error.contains("left out: \(cut)"))
      #expect(skipped.output.split(separator: "\n").count == 60)
    }
  }

  @Test(.timeLimit(.minutes(10)))
  func tablesAreLearnedScoredAndEvaluated() throws {
    try withTemporaryFolder { folder in
      let table = folder + "/table.csv"
      try Self.makeTable(at: table, count: 100)
      let model = folder + "/model.safetensors"
      let trained = try run([
        "train", table, "--label-column", "kind", "--novel", "far", "--detector", "mahalanobis",
        "--percentile", "99", "--output", model, "--quiet",
      ])
      #expect(trained.status == 0, "\(trained.error)")
      let scored = try run(["score", model, table, "--label-column", "4", "--quiet"])
      let lines = scored.output.split(separator: "\n")
      #expect(lines.first == "file,row,score,p_value,novel")
      for row in stride(from: 5, through: 100, by: 5) { #expect(lines[row].hasSuffix(",true")) }
      let evaluated = try run([
        "eval", table, "--label-column", "kind", "--output", folder + "/study", "--setting",
        "one-class", "--classes", "near", "--methods", "mahalanobis", "knn", "--quiet",
      ])
      #expect(evaluated.status == 0, "\(evaluated.error)")
      #expect(evaluated.output.contains("| kNN | score | 1.000 |"))
    }
  }

  @Test func emptyAndOneSidedSetsAreRefused() throws {
    try withTemporaryFolder { folder in
      let empty = folder + "/empty"
      try FileManager.default.createDirectory(atPath: empty, withIntermediateDirectories: true)
      let model = folder + "/m.safetensors"
      let none = try run(["train", empty, "--output", model, "--quiet"])
      #expect(none.status == 1 && none.error.contains("no PNG or JPEG files"))
      let pictures = folder + "/pictures"
      try Self.makePictures(in: pictures, classes: ["only"], count: 12)
      let single = try run(["eval", pictures, "--output", folder + "/study", "--quiet"])
      #expect(single.status == 1 && single.error.contains("needs a second one"))
      let unknown = try run([
        "train", pictures, "--novel", "other", "--output", model, "--quiet",
      ])
      #expect(unknown.status == 1 && unknown.error.contains("there are only"))
      try Self.makeIDX(in: folder)
      try AtomicFile.write([0, 0, 8, 3, 0], to: folder + "/train-images-idx3-ubyte")
      let cut = try run(["train", folder, "--output", model, "--quiet"])
      #expect(cut.status == 1 && cut.error.contains("train-images-idx3-ubyte"))
      #expect(!FileManager.default.fileExists(atPath: model))
    }
  }

  @Test func wrongArgumentsAreRefused() throws {
    for arguments in [
      ["train", "x", "--output", "y", "--detector", "vae"],
      ["train", "x", "--output", "y", "--score", "none"],
      ["train", "x", "--output", "y", "--calibration-share", "0"],
      ["train", "x", "--output", "y", "--channels", "16"],
      ["train", "x", "--output", "y", "--patience=-1"],
      ["train", "x", "--output", "y", "--profile", "convolution", "--channels", "0"],
      ["score", "m"], ["score", "m", "x", "--fpr", "1"],
      ["score", "m", "x", "--fpr", "0.1", "--percentile", "90"],
      ["eval", "x", "--output", "y", "--seeds", "1", "1"],
      ["report", "m", "--data", "x", "--output", "y"],
    ] {
      #expect(try run(arguments).status == 64, "\(arguments)")
    }
  }
}
