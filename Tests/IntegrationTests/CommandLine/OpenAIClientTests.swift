import Checkpoints
import Foundation
import TestSupport
import Testing

/// `apus-serve`, asked by the official `openai` client.
///
/// `APUS_OPENAI_PYTHON` names the interpreter; make one with
/// `python3 -m venv V && V/bin/pip install openai`.
@Suite struct OpenAIClientTests {
  static let python: String? = {
    let given = ProcessInfo.processInfo.environment["APUS_OPENAI_PYTHON"]
    return given.flatMap { FileManager.default.isExecutableFile(atPath: $0) ? $0 : nil }
  }()

  @Test(
    .enabled(if: python != nil, "needs Python with openai: APUS_OPENAI_PYTHON"),
    .timeLimit(.minutes(10))
  )
  func theClientUnderstandsAllAnswers() throws {
    try withTinyModel { model, folder in
      try GenerateTests().addTemplate(to: model)
      let server = try ServerUnderTest([model], environment: "APUS_SERVE_KEY=secret")
      let found = try run(server.address, in: folder)
      let text = try GenerateTests().texts([model, "Hi", "--chat", "--tokens", "20"])[0]["text"]
      #expect(found["text"]?.stringValue == text as? String)
      #expect(found["streamed"] == found["text"])
      #expect(found["models"] == ["tiny"] && found["created"] == true)
      #expect(found["role"] == "assistant" && found["finish"] == "length")
      #expect(found["usage"] == 0 && found["counted"] == true && found["same"] == true)
      #expect(found["choices"] == [0, 1, 2, 3])
      #expect(found["scored"] == true && found["echoed"] == true && found["biased"] == true)
      #expect(found["missing"] == ["NotFoundError", "model_not_found"])
      #expect(found["long"] == ["BadRequestError", "context_length_exceeded"])
      #expect(found["unsupported"] == ["BadRequestError", "unsupported_parameter"])
      #expect(found["key"] == ["AuthenticationError", "invalid_api_key"])
    }
  }

  private func run(_ address: String, in folder: String) throws -> JSONValue {
    let script = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../../Tools/peers/openai_client.py").standardizedFileURL
    let process = Process()
    process.executableURL = URL(filePath: try #require(Self.python))
    process.arguments = [script.path(percentEncoded: false), address, "tiny"]
    let output = folder + "/output"
    try Data().write(to: URL(filePath: output))
    process.standardOutput = try FileHandle(forWritingTo: URL(filePath: output))
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return try JSONValue.read(output)
  }
}
