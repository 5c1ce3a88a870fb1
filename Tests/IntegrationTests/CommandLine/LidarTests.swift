import Checkpoints
import Foundation
import TestSupport
import Testing

/// `apus-lidar` with a sensor of eight beams and 90 columns: from simulated scans to a page.
@Suite struct LidarCommandTests {
  static let sensor = """
    {"name": "eight", "elevations": [2, -1, -4, -7, -10, -13, -16, -20], "columnCount": 90,
     "mountHeight": 1.7, "maximumRange": 80}
    """

  @discardableResult
  func run(_ arguments: [String]) throws -> Outcome {
    let invocation = try Invocation(arguments, of: "apus-lidar")
    let status = invocation.wait()
    return Outcome(status: status, output: invocation.output, error: invocation.error)
  }

  /// Runs what must succeed, and reads its document.
  func document(_ arguments: [String]) throws -> [String: Any] {
    let outcome = try run(arguments + ["--quiet", "--json", "--threads", "1"])
    try #require(outcome.status == 0, "\(arguments): \(outcome.error)")
    return try outcome.document()
  }

  /// Runs what must succeed with one document for each file, and reads the first.
  func firstDocument(_ arguments: [String]) throws -> [String: Any] {
    let outcome = try run(arguments + ["--quiet", "--json", "--threads", "1"])
    try #require(outcome.status == 0, "\(arguments): \(outcome.error)")
    let value = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
    return try #require((value as? [[String: Any]])?.first)
  }

  /// A folder with the sensor's file.
  func withSensor(_ body: (_ sensor: String, _ folder: String) throws -> Void) throws {
    try withTemporaryFolder { folder in
      try AtomicFile.write(Self.sensor, to: folder + "/eight.json")
      try body(folder + "/eight.json", folder)
    }
  }

  /// The arguments of a training on four scenes.
  func training(_ sensor: String, to folder: String, steps: Int = 3) -> [String] {
    [
      "train", "--simulated", "4", "--sensor", sensor, "--size", "tiny", "--voxel-size", "0.5",
      "--crop-radius", "30", "--steps", "\(steps)", "--output", folder,
    ]
  }

  func byteCount(_ path: String) throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    return try #require(attributes[.size] as? NSNumber).intValue
  }
}

// MARK: - What is written

extension LidarCommandTests {
  @Test func simulatedFoldersGoOn() throws {
    try withSensor { sensor, folder in
      let arguments = ["simulate", "--sensor", sensor, "--first", "7", "--output", folder + "/sim"]
      _ = try document(arguments + ["--scenes", "2"])
      let scan = folder + "/sim/sequences/00/velodyne/000008.bin"
      let labels = folder + "/sim/sequences/00/labels/000008.label"
      #expect(try byteCount(scan) == 4 * byteCount(labels))
      let before = try Data(contentsOf: URL(filePath: scan))
      try FileManager.default.removeItem(atPath: labels)
      let again = try document(arguments + ["--scenes", "3"])
      let counts = try #require((again["scans"] as? [[String: Any]])?.first)
      #expect(counts["kept"] as? Int == 1 && counts["written"] as? Int == 2)
      #expect(try Data(contentsOf: URL(filePath: scan)) == before)
      let other = try run(arguments + ["--seed", "1", "--quiet"])
      #expect(other.status == 1 && other.error.contains("other settings (seed"))
    }
  }

  @Test(.timeLimit(.minutes(10))) func aStoppedTrainingGoesOnWithTheSameBits() throws {
    try withSensor { sensor, folder in
      let (whole, stopped) = (folder + "/whole", folder + "/stopped")
      _ = try document(training(sensor, to: whole, steps: 100))
      let first = try Invocation(training(sensor, to: stopped, steps: 100), of: "apus-lidar")
      let hasBegun = first.waits { (try? byteCount(stopped + "/log.jsonl")) ?? 0 > 0 }
      #expect(hasBegun, "the log begins: \(first.error)")
      first.send(SIGINT)
      #expect(first.wait() == 130)
      #expect(first.error.contains("interrupted, run the same command to go on after step"))
      let report = try document(training(sensor, to: stopped, steps: 100))
      #expect(report["step"] as? Int == 100)
      let models = try [whole, stopped].map {
        try Data(contentsOf: URL(filePath: $0 + "/model.safetensors"))
      }
      #expect(models[0] == models[1])
      let page = try String(contentsOfFile: stopped + "/report.html", encoding: .utf8)
      #expect(page.contains("<svg") && page.contains("ddfe + augmentation"))
      let other = try run(training(sensor, to: stopped, steps: 101) + ["--quiet"])
      #expect(other.status == 1 && other.error.contains("training.steps: 100 there, 101 now"))
    }
  }

  @Test(.timeLimit(.minutes(10))) func modelsAreTrainedMeasuredAndUsed() throws {
    try withSensor { sensor, folder in
      _ = try document(["simulate", "--sensor", sensor, "--scenes", "3", "--output", folder + "/s"])
      for seed in ["0", "1"] {
        let arguments = [
          "train", "--data", folder + "/s", "--size", "tiny", "--voxel-size", "0.5",
          "--crop-radius", "30", "--steps", "3", "--name", "row", "--seed", seed,
          "--evaluation-sensors", sensor, "--evaluation-scenes", "1",
          "--output", folder + "/" + seed,
        ]
        let report = try document(arguments)
        let measured = try #require(report["meanIntersectionsOverUnions"] as? [String: Any])
        #expect(measured[sensor] is Double)
      }
      try measure(sensor, folder)
      try segment(sensor, folder)
    }
  }

  /// Two models of one name share a row; the other height is a target.
  private func measure(_ sensor: String, _ folder: String) throws {
    let report = try document([
      "eval", folder + "/0", folder + "/1", "--sensors", "\(sensor),\(sensor)@2.5", "--scenes", "2",
      "--data", "\(sensor)=\(folder)/s", "--output", folder + "/table",
    ])
    let rows = try #require(report["rows"] as? [[String: Any]])
    #expect(rows.count == 1 && rows[0]["name"] as? String == "row")
    let models = try #require(rows[0]["models"] as? [[String: Any]])
    for model in models {
      let results = try #require(model["results"] as? [[String: Any]])
      #expect(results.map { $0["isTarget"] as? Bool } == [false, true, false])
      let means = try #require(results[1]["means"] as? [String: Double])
      let harmonic = try #require(model["harmonicMean"] as? [String: Double])
      // The harmonic mean of one number is that number.
      expectClose([try #require(harmonic["zero"])], [try #require(means["zero"])])
    }
    let summary = try #require(rows[0]["summary"] as? [[String: Any]])
    #expect(summary.count == 4 && summary.allSatisfy { $0["deviation"] != nil })
    // Another size is no repetition, whatever it is called.
    _ = try document(training(sensor, to: folder + "/2") + ["--name", "row"])
    let mixed = try run(["eval", folder + "/0", folder + "/2", "--sensors", sensor, "--quiet"])
    #expect(mixed.status == 1 && mixed.error.contains("both called row"))
    let table = try String(contentsOfFile: folder + "/table/eval.md", encoding: .utf8)
    #expect(table.contains("| row | 2 |") && table.contains("±"))
  }

  /// A scan with a missing return in front: as many labels as rows, and the page has the points.
  private func segment(_ sensor: String, _ folder: String) throws {
    let scan = try Data(contentsOf: URL(filePath: folder + "/s/sequences/00/velodyne/000000.bin"))
    let file = folder + "/scan.bin"
    try AtomicFile.write(Data(count: 16) + scan, to: file)
    let count = scan.count / 16 + 1
    let model = ["--model", folder + "/0", "--sensor", sensor]
    let report = try firstDocument(["segment", file, "--output", folder + "/out"] + model)
    #expect(report["rows"] as? Int == count && report["points"] as? Int == count - 1)
    let labels = try Data(contentsOf: URL(filePath: folder + "/out/scan.label"))
    #expect(labels.count == 4 * count && labels.prefix(4) == Data(count: 4))
    let again = try run(["segment", file, "--output", folder + "/out", "--quiet"] + model)
    #expect(again.status == 1 && again.error.contains("is there already"))

    let inspection = try firstDocument(["inspect", file] + model)
    let density = try #require(inspection["density"] as? [String: Any])
    #expect(density["conclusion"] as? String == "inside")
    #expect((density["channels"] as? [Any])?.count == 4)

    let page = folder + "/scan.html"
    let shown = try document(["view", folder + "/out/scan.ply", "--output", page])
    #expect(shown["points"] as? Int == count - 1)
    #expect(shown["layers"] as? [String] == ["label", "height"])
    let text = try String(contentsOfFile: page, encoding: .utf8)
    #expect(text.contains("id=\"cloud\"") && !text.contains("http://"))
    #expect(!text.contains("https://"))
  }

  @Test func estimatedSensorsAreSaid() throws {
    try withSensor { sensor, folder in
      let (scan, found) = (folder + "/scan.ply", folder + "/found.json")
      _ = try document(["simulate", "--sensor", sensor, "--output", scan])
      let inspection = try run(["inspect", scan, "--write-sensor", found, "--threads", "1"])
      #expect(inspection.status == 0, "\(inspection.error)")
      #expect(inspection.error.contains("estimated by its rings: 8 beams"))
      #expect(inspection.error.contains("give --mount-height"))
      #expect(try run(["inspect", scan, "--sensor", found]).status == 0)
    }
  }
}

// MARK: - What is refused

extension LidarCommandTests {
  @Test func wrongArgumentsAreRefused() throws {
    let cases = [
      ["simulate", "--sensors", "vlp16,vlp16", "--output", "x"],
      ["simulate", "--sensors", "vlp16", "--scenes", "2", "--output", "x.bin"],
      ["train", "--output", "x"],
      ["train", "--output", "x", "--simulated", "2", "--data", "y"],
      ["train", "--output", "x", "--simulated", "2", "--voxel-size", "0"],
      ["train", "--output", "x", "--simulated", "2", "--front-end", "constant", "--ddfe", "paper"],
      ["eval", "x", "x"],
      ["segment"],
      ["inspect", "a", "b", "--write-sensor", "x.json"],
      ["view", "x", "--output", "y", "--labels", "z", "--model", "m"],
    ]
    for arguments in cases {
      let outcome = try run(arguments)
      #expect(outcome.status == 64, "\(arguments): \(outcome.error)")
    }
  }

  @Test func whatCannotBeReadIsNamed() throws {
    try withSensor { sensor, folder in
      let (scan, bad) = (folder + "/scan.bin", folder + "/bad.json")
      _ = try document(["simulate", "--sensor", sensor, "--output", scan])
      try AtomicFile.write([UInt8](repeating: 0, count: 40), to: folder + "/short.label")
      try AtomicFile.write([UInt8](repeating: 1, count: 41), to: folder + "/odd.bin")
      try AtomicFile.write("{\"name\": \"x\"}", to: bad)
      let page = ["--output", folder + "/page.html"]
      let cases: [([String], String)] = [
        (["simulate", "--sensor", "vlp17", "--output", folder + "/x"], "known are hdl64e"),
        (["simulate", "--sensor", bad, "--output", scan], "elevations"),
        (["inspect", folder + "/none.bin", "--sensor", "vlp16"], "none.bin"),
        (["inspect", folder + "/odd.bin", "--sensor", "vlp16"], "41 bytes"),
        (["inspect", scan, "--sensor", "vlp16", "--model", scan], "scan.bin"),
        (["view", scan, "--labels", folder + "/short.label"] + page, "10 labels for the"),
        (["view", scan, "--color-by", "label"] + page, "--labels or --model"),
        (["segment", scan, "--sensor", sensor, "--model", folder + "/none"], "no model"),
        (["train", "--data", folder, "--output", folder + "/run"], "sequences"),
      ]
      for (arguments, text) in cases {
        let outcome = try run(arguments)
        #expect(outcome.status == 1, "\(arguments): \(outcome.error)")
        #expect(outcome.error.contains(text), "\(arguments): \(outcome.error)")
        #expect(outcome.errorLines.count == 1, "\(outcome.error)")
      }
    }
  }
}
