import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

/// The code of the page of the module Checkpoints.
@Suite struct CheckpointsExamples {
  @Test func aFileIsReadAndWritten() async {
    await #expect(processExitsWith: .success) {
      await inFreshFolder {
        try FileManager.default.createDirectory(
          atPath: "model",
          withIntermediateDirectories: false
        )
        try SafetensorsFile.write(
          ["norm.weight": Tensor([1, 2, 3])],
          to: "model/model.safetensors"
        )
        let checkpoint = try Checkpoint(path: "model")
        for name in checkpoint.names { print(name, checkpoint[name]?.shape ?? []) }
        let weight = try checkpoint.tensor(named: "norm.weight", as: Float.self)
        let tensors = ["norm.weight": weight * 2, "norm.bias": .zeros(weight.shape)]
        try SafetensorsFile.write(tensors, metadata: ["format": "pt"], to: "changed.safetensors")
        let changed = try SafetensorsFile(path: "changed.safetensors")
        print(changed.metadata, try changed.tensor(named: "norm.bias").shape)
        #expect(checkpoint.names == ["norm.weight"] && changed.metadata == ["format": "pt"])
        #expect(try changed.tensor(named: "norm.weight").elements == [2, 4, 6])
      }
    }
  }
}
