import Foundation
import TestSupport
import Testing

/// Low-rank adapters between `apus-finetune` and the library whose layout they have, both ways.
///
/// `APUS_PEFT_PYTHON` names the interpreter; make one with
/// `python3 -m venv V && V/bin/pip install torch transformers peft`.
@Suite struct PeftTests {
  static let python: String? = {
    let given = ProcessInfo.processInfo.environment["APUS_PEFT_PYTHON"]
    return given.flatMap { FileManager.default.isExecutableFile(atPath: $0) ? $0 : nil }
  }()

  @Test(
    .enabled(if: python != nil, "needs Python with torch, transformers and peft: APUS_PEFT_PYTHON"),
    .timeLimit(.minutes(10))
  )
  func adaptersComputeTheSameOnBothSides() throws {
    let command = FinetuneCommandTests()
    try command.withModelAndTexts { model, folder in
      let more = ["--rank", "2", "--alpha", "6", "--targets", "q_proj,v_proj,down_proj"]
      let report = try command.train(model, "lora", folder, more)
      let theirs = try run([model, folder + "/run/adapter", folder + "/held", folder + "/peft"])
      func expectNear(_ found: Double?, _ expected: Double, _ comment: Comment) throws {
        #expect(try abs(#require(found) - expected) < 1e-5, comment)
      }
      try expectNear(theirs["base"], command.loss(report, "lossBefore"), "the model")
      try expectNear(theirs["read"], command.loss(report, "lossAfter"), "our adapter in peft")
      #expect(theirs["read"] != theirs["base"])
      let ours = try command.losses(model, folder, ["--adapter", folder + "/peft"])
      try expectNear(theirs["written"], ours[1], "peft's adapter here")
    }
  }

  private func run(_ arguments: [String]) throws -> [String: Double] {
    let (process, output) = (Process(), Pipe())
    process.executableURL = URL(filePath: try #require(Self.python))
    let program = Fixtures.checkout + "/Tools/peers/peft_adapters.py"
    process.arguments = [program] + arguments
    process.standardOutput = output
    try process.run()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return try JSONDecoder().decode([String: Double].self, from: data)
  }
}
