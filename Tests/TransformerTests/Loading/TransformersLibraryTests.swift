import Autograd
import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing
import Transformer

/// Every family, saved and loaded by the transformers library, which must compute the same.
///
/// `APUS_TRANSFORMERS_PYTHON` names the interpreter; make one with
/// `python3 -m venv V && V/bin/pip install torch transformers safetensors`.
@Suite struct TransformersLibraryTests {
  static let python: String? = {
    let given = ProcessInfo.processInfo.environment["APUS_TRANSFORMERS_PYTHON"]
    return given.flatMap { FileManager.default.isExecutableFile(atPath: $0) ? $0 : nil }
  }()

  @Test(
    .enabled(
      if: python != nil,
      "needs Python with torch, transformers and safetensors: APUS_TRANSFORMERS_PYTHON"
    ),
    .timeLimit(.minutes(10))
  )
  func savedFamiliesComputeTheSame() throws {
    try withTemporaryFolder { folder in
      // Logits, or an encoder's last states.
      var expected: [String: Tensor<Float>] = [:]
      func add(_ name: String, _ pretrained: PretrainedModel, _ given: SafetensorsFile) throws {
        let ids = try given.tensor(named: "input_ids", as: Int32.self)
        let target = folder + "/" + name
        try pretrained.save(to: URL(filePath: target))
        try SafetensorsFile.write([SafetensorsItem("ids", ids)], to: target + "/ids.safetensors")
        expected[name] =
          try pretrained.configuration.isCausal
          ? pretrained.makeModel().logits(of: ids) : pretrained.makeEncoder()(ids).value
      }
      let conformance = TransformerConformance()
      for path in TransformerConformance.decoders + TransformerConformance.encoders {
        try conformance.withModel(path) { pretrained, expectations in
          let name = path.replacing("/", with: "-")
          try add(name, pretrained, expectations)
          if pretrained.configuration.family == .gpt2 {
            try conformance.withModel(path, changing: ["scale_attn_by_inverse_layer_idx": true]) {
              try add(name + "-by-depth", $0, $1)
            }
          }
        }
      }
      try run([folder])
      for (name, result) in expected {
        let file = try SafetensorsFile(path: folder + "/" + name + "/result.safetensors")
        let theirs = try file.tensor(named: "result")
        expectClose(theirs, result, relative: 1e-5, absolute: 5e-5, name)
      }
    }
  }

  private func run(_ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(filePath: try #require(Self.python))
    process.arguments = [Fixtures.checkout + "/Tools/peers/transformers_logits.py"] + arguments
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
  }
}
