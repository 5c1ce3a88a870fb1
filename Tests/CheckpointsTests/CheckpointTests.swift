import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

@Suite struct CheckpointTests {
  /// Two shards and an index of this map, which is then opened.
  private func open(_ map: [String: String]) throws -> [String] {
    try withTemporaryFolder { folder in
      for (file, name) in [("a.safetensors", "x"), ("b.safetensors", "y")] {
        try SafetensorsFile.write(
          [name: Tensor<Float>([1, 2], shape: [2])],
          to: folder + "/" + file
        )
      }
      let pairs = map.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.string($0.value)) }
      let index: JSONValue = ["metadata": [:], "weight_map": .object(JSONObject(pairs))]
      try index.write(to: folder + "/model.safetensors.index.json")
      let checkpoint = try Checkpoint(path: folder)
      #expect(try checkpoint.tensor(named: "y", shape: [2]).elements == [1, 2])
      #expect(try checkpoint.entry(named: "x").extents == [2])
      #expect(throws: CheckpointError.self) { try checkpoint.tensor(named: "z") }
      return checkpoint.names
    }
  }

  @Test func opensShards() throws {
    #expect(try open(["x": "a.safetensors", "y": "b.safetensors"]) == ["x", "y"])
  }

  @Test(arguments: [
    ["x": "a.safetensors", "y": "a.safetensors"], ["x": "a.safetensors"], [:],
    ["x": "a.safetensors", "y": "b.safetensors", "z": "b.safetensors"],
    ["x": "a.safetensors", "y": "../b.safetensors"], ["x": "/etc/passwd"], ["x": ".."],
    ["x": "a.safetensors", "y": "missing.safetensors"], ["x": ""], ["x": "a\\b"], ["x": "a\0b"],
  ])
  func refusesIndicesThatDoNotFit(_ map: [String: String]) {
    #expect(throws: CheckpointError.self) { try open(map) }
  }

  @Test func opensFoldersAndFiles() throws {
    try withTemporaryFolder { folder in
      #expect(throws: CheckpointError.unreadable(path: folder + "/no", .missing)) {
        try Checkpoint(path: folder + "/no")
      }
      #expect(throws: CheckpointError.self) { try Checkpoint(path: folder) }
      let tensors = ["x": Tensor<Float>([1], shape: [1])]
      try SafetensorsFile.write(tensors, to: folder + "/other.safetensors")
      #expect(try Checkpoint(path: folder).names == ["x"])
      #expect(try Checkpoint(path: folder + "/other.safetensors").names == ["x"])
      try SafetensorsFile.write(tensors, to: folder + "/second.safetensors")
      #expect(throws: CheckpointError.self) { try Checkpoint(path: folder) }
      try SafetensorsFile.write(
        ["m": Tensor<Float>([1], shape: [1])],
        to: folder + "/model.safetensors"
      )
      #expect(try Checkpoint(path: folder).names == ["m"])
    }
  }
}
