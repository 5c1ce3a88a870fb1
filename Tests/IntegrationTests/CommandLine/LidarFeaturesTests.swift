import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

/// `apus-lidar features`, and what `apus-novelty` makes of them.
extension LidarCommandTests {
  @Test(.timeLimit(.minutes(10))) func scansBecomeVectorsThatNoveltyUnderstands() throws {
    try withSensor { sensor, folder in
      let simulate = ["simulate", "--sensor", sensor, "--scenes", "12", "--output"]
      _ = try document(simulate + [folder + "/clear"])
      _ = try document(simulate + [folder + "/dim", "--strength", "1"])
      // A tenth of the light loses points.
      let other = try run(simulate + [folder + "/clear", "--strength", "1", "--quiet"])
      #expect(other.status == 1 && other.error.contains("other settings"))
      _ = try document(training(sensor, to: folder + "/run"))
      let vectors = folder + "/both.safetensors"
      let made = try document([
        "features", "clear=\(folder)/clear", "dim=\(folder)/dim/sequences/00", "--model",
        folder + "/run", "--sensor", sensor, "--output", vectors,
      ])
      #expect(made["samples"] as? Int == 24 && made["width"] as? Int == 24)
      #expect(made["classes"] as? [String: Int] == ["clear": 12, "dim": 12])
      let file = try SafetensorsFile(path: vectors)
      #expect(file["samples"]?.extents == [24, 24] && file["labels"]?.extents == [24])
      let scans = folder + "/clear/sequences/00/velodyne"
      let alone = try document([
        "features", scans + "/000003.bin", "--model", folder + "/run", "--sensor", sensor,
        "--output", folder + "/one.npy",
      ])
      #expect(alone["samples"] as? Int == 1 && alone["classes"] == nil)
      let row = try NPYFile(path: folder + "/one.npy").floats()
      #expect(row[0].elements == (try file.tensor(named: "samples"))[3].elements)
      let study = try Invocation(
        [
          "eval", vectors, "--output", folder + "/study", "--methods", "knn", "--setting",
          "one-class", "--classes", "clear", "--quiet", "--threads", "1",
        ],
        of: "apus-novelty"
      )
      #expect(study.wait() == 0, "\(study.error)")
      #expect(study.output.contains("| kNN |"))
    }
  }

  @Test func scansWithoutFeaturesAreNamed() throws {
    try withSensor { sensor, folder in
      let far = folder + "/far.bin"
      let numbers: [Float] = [5000, 0, 0, 0.5, 0, 6000, 1, 0.5]
      try AtomicFile.write(numbers.withUnsafeBytes { Array($0) }, to: far)
      try FileManager.default.createDirectory(
        atPath: folder + "/empty",
        withIntermediateDirectories: true
      )
      let output = ["--output", folder + "/x.safetensors", "--sensor", sensor]
      let cases: [([String], Int32, String)] = [
        (["features", far] + output, 1, "no point lies in the volume"),
        (["features", folder + "/none"] + output, 1, "no scans at"),
        (["features", folder + "/empty"] + output, 1, "has no scans"),
        (["features", "a=" + far, far] + output, 64, "has no class"),
        (["features", far, "--output", folder + "/x.csv", "--sensor", sensor], 1, "must end in"),
        (["simulate", "--sensor", sensor, "--strength", "0", "--output", far], 64, "--strength"),
      ]
      for (arguments, status, text) in cases {
        let outcome = try run(arguments)
        #expect(outcome.status == status, "\(arguments): \(outcome.error)")
        #expect(outcome.error.contains(text), "\(arguments): \(outcome.error)")
      }
    }
  }
}
