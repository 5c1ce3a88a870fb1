import Foundation
import TestSupport
import Testing

// `apus-finetune memory`: what is computed from shapes, and what runs took.
extension FinetuneCommandTests {
  @Test func memoryIsCountedFromShapes() throws {
    try withTinyModel { model, _ in
      let document = try document(["memory", model, "--bits", "3", "--planes", "2", "--json"])
      #expect(document["parameters"] as? Int == 31_904)
      let rows = try #require(document["rows"] as? [[String: Any]])
      #expect(rows.map { $0["trainedCount"] as? Int } == [31_904, 1792, 448, 448])
      let text = try run(["memory", model, "--group-size", "16"]).output
      #expect(text.contains("PEQA, 4 bits, groups of 16") && text.contains("AlphaTuning"))
    }
  }

  @Test func memoryOfRunsStandsBesideTheComputedOne() throws {
    try withModelAndTexts { model, folder in
      let report = try train(model, "peqa", folder, ["--scheme", "W4"])
      let (run, process) = (folder + "/run", report["peakProcessBytes"] as? Int)
      let document = try document(["memory", model, "--run", run, "--json"])
      let row = try #require((document["runs"] as? [[String: Any]])?.first)
      let inner = try #require(report["report"] as? [String: Any])
      #expect(row["tensorBytes"] as? Int == inner["peakTensorBytes"] as? Int)
      #expect(row["processBytes"] as? Int == process && row["method"] as? String == "peqa")
      #expect(row["trainedCount"] as? Int == 448)
      let text = try self.run(["memory", model, "--run", run]).output
      #expect(text.contains("rtn 4 bits") && text.contains("PEQA, 4 bits, rows"))
      let none = try self.run(["memory", model, "--run", folder + "/none"])
      #expect(none.status == 1 && none.error.contains("--run \(folder)/none"))
      try Data("{}".utf8).write(to: URL(filePath: run + "/report.json"))
      let other = try self.run(["memory", model, "--run", run])
      #expect(other.status == 1 && other.error.contains("is no report"))
    }
  }
}
