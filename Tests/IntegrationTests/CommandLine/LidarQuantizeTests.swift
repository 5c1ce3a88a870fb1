import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

/// `apus-lidar quantize`, and what the other commands make of its files.
extension LidarCommandTests {
  @Test(.timeLimit(.minutes(10))) func packedNetworksAreMeasuredAndUsed() throws {
    try withSensor { sensor, folder in
      _ = try document(training(sensor, to: folder + "/run"))
      let model = ["--model", folder + "/run", "--bits", "3"]
      let nearest = try document(
        ["quantize", "--method", "rtn", "--output", folder + "/rtn.safetensors"] + model
      )
      let learned = try document(
        [
          "quantize", "--simulated", "3", "--steps", "20", "--output",
          folder + "/flex.safetensors",
        ] + model
      )
      let stages = try #require(learned["stages"] as? [[String: Any]])
      #expect(stages.map { $0["bits"] as? Int } == [8, 3, 3, 3, 3, 3, 3, 8])
      let errors = stages.compactMap { stage in
        (stage["nearestError"] as? Double).flatMap { nearest in
          (stage["error"] as? Double).map { (nearest, $0) }
        }
      }
      #expect(errors.count == 6 && errors.allSatisfy { $0.1 <= $0.0 })
      #expect(errors.contains { $0.1 < 0.8 * $0.0 }, "\(errors)")
      for report in [nearest, learned] {
        let (file, whole) = (report["fileBytes"] as? Int ?? 0, report["modelBytes"] as? Int ?? 0)
        #expect(file > 0 && 4 * file < whole)
      }
      try usePacked(sensor, folder)
    }
  }

  private func usePacked(_ sensor: String, _ folder: String) throws {
    let report = try document([
      "eval", folder + "/run", folder + "/rtn.safetensors", folder + "/flex.safetensors",
      "--sensors", sensor, "--scenes", "2",
    ])
    let rows = try #require(report["rows"] as? [[String: Any]])
    #expect(rows.count == 3 && rows[1]["name"] as? String == "rtn")
    let scan = folder + "/scan.bin"
    _ = try document(["simulate", "--sensor", sensor, "--output", scan])
    let packed = ["--model", folder + "/flex.safetensors", "--sensor", sensor]
    _ = try firstDocument(["segment", scan, "--output", folder + "/out"] + packed)
    // Files may be learned from as well, and codes are not rounded twice.
    _ = try document([
      "quantize", scan, "--sensor", sensor, "--model", folder + "/run", "--steps", "2",
      "--granularity", "tensor", "--output", folder + "/tensor.safetensors",
    ])
    let twice = try run(
      ["quantize", "--method", "rtn", "--output", folder + "/x", "--model"]
        + [folder + "/rtn.safetensors"]
    )
    #expect(twice.status == 1 && twice.error.contains("is packed already"))
    try checkDamage(folder, packed: folder + "/rtn.safetensors")
  }

  /// A packed file with other metadata, or cut off, is refused in one line.
  private func checkDamage(_ folder: String, packed: String) throws {
    let scan = ["segment", folder + "/scan.bin", "--sensor", "vlp16", "--output", folder + "/bad"]
    let file = try SafetensorsFile(path: packed)
    let items = try file.entries.map { entry in
      switch entry.type.elementType {
      case .int32: SafetensorsItem(entry.name, try file.tensor(named: entry.name, as: Int32.self))
      case .uint8: SafetensorsItem(entry.name, try file.tensor(named: entry.name, as: UInt8.self))
      default: SafetensorsItem(entry.name, try file.tensor(named: entry.name))
      }
    }
    let packing = try #require(file.metadata["packing"])
    let damages = [
      "", "[]", "[1]", packing.replacing("\"bits\":3", with: "\"bits\":99"),
      packing.replacing("[27,", with: "[1125899906842624,"),
      packing.replacing("[27,", with: "[28,"),
      packing.replacing("[27,", with: "[-27,"),
    ]
    for damage in damages {
      var metadata = file.metadata
      metadata["packing"] = damage
      let path = folder + "/damaged.safetensors"
      try SafetensorsFile.write(items, metadata: metadata, to: path)
      let outcome = try run(scan + ["--model", path, "--quiet"])
      #expect(outcome.status == 1 && outcome.errorLines.count == 1, "\(damage): \(outcome.error)")
    }
    let bytes = try Data(contentsOf: URL(filePath: packed))
    try AtomicFile.write(bytes.prefix(bytes.count - 100), to: folder + "/cut.safetensors")
    let cut = try run(scan + ["--model", folder + "/cut.safetensors", "--quiet"])
    #expect(cut.status == 1 && cut.error.contains("cut.safetensors"))
  }

  @Test func wrongQuantizationsAreRefused() throws {
    let cases = [
      ["quantize", "--output", "x"],
      ["quantize", "a.bin", "--simulated", "2", "--output", "x"],
      ["quantize", "a.bin", "--method", "rtn", "--output", "x"],
      ["quantize", "--method", "rtn", "--bits", "9", "--output", "x"],
      ["quantize", "--method", "rtn", "--edge-bits", "0", "--output", "x"],
      ["quantize", "--simulated", "2", "--steps", "0", "--output", "x"],
      ["quantize", "--simulated", "2", "--learning-rate", "0", "--output", "x"],
      ["quantize", "--method", "gptq", "--output", "x"],
    ]
    for arguments in cases {
      let outcome = try run(arguments)
      #expect(outcome.status == 64, "\(arguments): \(outcome.error)")
    }
    let none = try run(["quantize", "none.bin", "--output", "x", "--quiet"])
    #expect(none.status == 1 && none.error.contains("no scans at none.bin"))
  }
}
