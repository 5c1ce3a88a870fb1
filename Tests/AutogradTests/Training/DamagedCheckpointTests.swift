import Autograd
import Foundation
import Tensor
import TestSupport
import Testing

/// A way to spoil a checkpoint, and what the report says.
enum Spoiling: String, CaseIterable {
  case flippedWeight, flippedState, shortModel, longModel, lostOptimizer, lostManifest
  case emptyManifest, laterVersion, foreignManifest, strayName, renamed

  func apply(to path: String) throws {
    func change(_ name: String, _ body: (inout Data) -> Void) throws {
      let url = URL(filePath: path + "/" + name)
      var data = try Data(contentsOf: url)
      body(&data)
      try data.write(to: url)
    }
    func replace(_ old: String, _ new: String) throws {
      try change("manifest.json") { data in
        let text = String(decoding: data, as: UTF8.self)
        data = Data(text.replacingOccurrences(of: old, with: new).utf8)
      }
    }
    switch self {
    case .flippedWeight: try change("model.safetensors") { $0[$0.count - 1] ^= 1 }
    case .flippedState: try change("state.json") { $0[$0.count / 2] ^= 1 }
    case .shortModel: try change("model.safetensors") { $0.removeLast(4) }
    case .longModel: try change("model.safetensors") { $0.append(0) }
    case .lostOptimizer:
      try FileManager.default.removeItem(atPath: path + "/optimizer.safetensors")
    case .lostManifest: try FileManager.default.removeItem(atPath: path + "/manifest.json")
    case .emptyManifest: try change("manifest.json") { $0.removeAll() }
    case .laterVersion: try replace("\"version\": 1", "\"version\": 2")
    case .foreignManifest: try replace("apus-training-checkpoint", "other")
    case .strayName: try replace("\"optimizer.safetensors\"", "\"../optimizer.safetensors\"")
    case .renamed: break
    }
  }

  var reason: String {
    switch self {
    case .flippedWeight: "model.safetensors has the checksum "
    case .flippedState: "state.json has the checksum "
    case .shortModel: "model.safetensors has 72 bytes, 76 were written"
    case .longModel: "model.safetensors has 77 bytes, 76 were written"
    case .lostOptimizer: "optimizer.safetensors: no such file or folder"
    case .lostManifest: "manifest.json: no such file or folder"
    case .emptyManifest: "manifest.json: json: unexpected end at byte 0"
    case .laterVersion: "format version 2, this program reads 1"
    case .foreignManifest: "manifest.json is not one of a training checkpoint"
    case .strayName: "manifest.json, entry \"../optimizer.safetensors\" is unusable"
    case .renamed: "it is of step 20"
    }
  }
}

@Suite struct DamagedCheckpointTests {
  private func save(_ steps: [Int], in folder: CheckpointFolder) throws {
    for step in steps {
      var checkpoint = TrainingCheckpoint(step: step)
      checkpoint.model = ["w": Tensor([1, 2, 3])]
      checkpoint.optimizer = ["w": Tensor([4])]
      try folder.save(checkpoint)
    }
  }

  @Test(arguments: Spoiling.allCases)
  func theNewestWholeOneIsLoadedAndDamageReported(spoiling: Spoiling) throws {
    try withTemporaryFolder { path in
      let folder = try CheckpointFolder(at: path)
      try save([10, 20], in: folder)
      try spoiling.apply(to: folder.path(ofStep: 20))
      let step = spoiling == .renamed ? 21 : 20
      if step == 21 {
        try FileManager.default.moveItem(
          atPath: folder.path(ofStep: 20),
          toPath: folder.path(ofStep: 21)
        )
      }
      let saved = try #require(try folder.latest())
      #expect(saved.step == 10)
      #expect(saved.skipped.map(\.step) == [step])
      #expect(saved.skipped[0].path == folder.path(ofStep: step))
      #expect(saved.skipped[0].reason.hasPrefix(spoiling.reason), "\(saved.skipped[0])")
      let error = #expect(throws: CheckpointFolderError.self) { try folder.load(step: step) }
      #expect(error == .damaged(saved.skipped[0]))
      #expect(error?.description == "load checkpoint \(saved.skipped[0])")
      // Going on from step 10 removes what was damaged.
      folder.removeCheckpoints(after: 10)
      try save([20], in: folder)
      #expect(try folder.latest()?.step == 20)
    }
  }

  @Test func aRunWithoutAnyWholeCheckpointDoesNotStartOver() throws {
    try withTemporaryFolder { path in
      let folder = try CheckpointFolder(at: path)
      try save([1, 2], in: folder)
      for step in [1, 2] { try Spoiling.emptyManifest.apply(to: folder.path(ofStep: step)) }
      let error = #expect(throws: CheckpointFolderError.self) { try folder.latest() }
      let reason = "manifest.json: json: unexpected end at byte 0"
      #expect(
        error?.description == "load checkpoint \(folder.path): none of 2 can be used; "
          + "\(folder.path)/step-000002: \(reason); \(folder.path)/step-000001: \(reason)"
      )
    }
  }

  @Test func leftoversOfKilledWritesAreRemoved() throws {
    try withTemporaryFolder { path in
      let manager = FileManager.default
      // No process has the largest number; this one writes nothing now; its parent lives.
      let gone = [
        ".step-000005.2147483647-1.apus-tmp", ".step-000005.2147483647-3.apus-tmp-old",
        ".step-000005.\(getpid())-99.apus-tmp", ".step-000006.\(getpid())-7.apus-tmp-old",
      ]
      let kept = [
        ".step-000005.\(getppid())-1.apus-tmp", ".model.2147483647-1.apus-tmp",
        ".step-000005.x-1.apus-tmp",
      ]
      for name in gone + kept {
        try manager.createDirectory(atPath: path + "/" + name, withIntermediateDirectories: true)
        try Data([1]).write(to: URL(filePath: path + "/" + name + "/model.safetensors"))
      }
      _ = try CheckpointFolder(at: path)
      #expect(Set(try manager.contentsOfDirectory(atPath: path)) == Set(kept))
    }
  }

  /// A process is killed while it saves, again and again: whatever it leaves can be loaded.
  @Test func aKilledRunLeavesWholeCheckpoints() async throws {
    try await withTemporaryFolder { path in
      await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
        let folder = try CheckpointFolder(at: path, keeping: 2)
        Thread.detachNewThread {
          while folder.steps.last ?? 0 < 20 {}
          kill(getpid(), SIGKILL)
        }
        for step in 1... {
          var checkpoint = TrainingCheckpoint(step: step)
          checkpoint.model = ["w": Tensor(repeating: Float(step), shape: [10_000])]
          try folder.save(checkpoint)
        }
      }
      let folder = try CheckpointFolder(at: path, keeping: 2)
      let saved = try #require(try folder.latest())
      #expect(saved.skipped == [])
      #expect(try saved.model()["w"]?.elements.first == Float(saved.step))
      let names = try FileManager.default.contentsOfDirectory(atPath: path)
      #expect(names.allSatisfy { $0.hasPrefix("step-") }, "\(names)")
      #expect((2...3).contains(names.count))
      for step in folder.steps { #expect(try folder.load(step: step).step == step) }
    }
  }
}
