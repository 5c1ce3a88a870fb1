import Autograd
import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing

private struct Extras: Codable, Equatable {
  var seed: UInt64 = .max
  var rate: Float = 0.1
  var limits: [Double] = [.infinity, -.infinity, .leastNonzeroMagnitude]
  var name = "a/b \"c\" é"
  var began = Date(timeIntervalSince1970: 1_234_567.5)
  var blob = Data([0, 255])
  var nothing: Int?
}

private func checkpoint(_ step: Int, loss: Double = 1) -> TrainingCheckpoint {
  var checkpoint = TrainingCheckpoint(
    step: step,
    position: BatchPosition(epoch: step / 10, batch: step % 10),
    metrics: ["loss": loss]
  )
  checkpoint.model = ["layer.weight": Tensor([1, 2, Float(step)]), "layer.bias": .zeros([0])]
  checkpoint.optimizer = ["layer.weight.mean": Tensor([0.5, -0.0, .leastNonzeroMagnitude])]
  checkpoint.values = ["extras": Extras(), "seed": 7]
  return checkpoint
}

private func names(in folder: String) throws -> [String] {
  try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
}

@Suite struct CheckpointFolderTests {
  @Test func everythingComesBackBitByBit() throws {
    try withTemporaryFolder { path in
      let folder = try CheckpointFolder(at: path + "/run/checkpoints")
      #expect(try folder.latest() == nil)
      var original = checkpoint(123)
      var generator = Philox(seed: 3).fork(5)
      _ = generator.nextWord()
      original.values["generator"] = generator
      original.tensors["average"] = ["w": Tensor([.infinity, -.infinity])]
      let place = try folder.save(original)
      #expect(place.hasSuffix("/run/checkpoints/step-000123"))
      #expect(
        try names(in: place) == [
          "average.safetensors", "manifest.json", "model.safetensors", "optimizer.safetensors",
          "state.json",
        ]
      )
      let saved = try #require(try folder.latest())
      #expect(saved.step == 123 && saved.position == BatchPosition(epoch: 12, batch: 3))
      #expect(saved.metrics == ["loss": 1] && saved.skipped.isEmpty)
      #expect(saved.groupNames == ["average", "model", "optimizer"])
      #expect(saved.valueNames == ["extras", "generator", "seed"])
      #expect(try saved.model() == original.model)
      let moments = try #require(try saved.optimizer()["layer.weight.mean"])
      #expect(
        moments.elements.map(\.bitPattern)
          == ([0.5, -0.0, .leastNonzeroMagnitude] as [Float]).map(\.bitPattern)
      )
      #expect(try saved.value("extras", as: Extras.self) == Extras())
      #expect(try saved.value("seed", as: Int.self) == 7)
      #expect(try saved.value("generator", as: Philox.self) == generator)
    }
  }

  @Test func theBytesDependOnTheContentAlone() throws {
    try withTemporaryFolder { path in
      let first = try CheckpointFolder(at: path + "/a").save(checkpoint(4))
      let second = try CheckpointFolder(at: path + "/b").save(checkpoint(4))
      for name in try names(in: first) {
        let data = try Data(contentsOf: URL(filePath: first + "/" + name))
        #expect(try data == Data(contentsOf: URL(filePath: second + "/" + name)), "\(name)")
      }
    }
  }

  @Test func aMissingThingIsNamedWithWhatThereIs() throws {
    try withTemporaryFolder { path in
      let folder = try CheckpointFolder(at: path)
      try folder.save(checkpoint(1))
      try folder.save(checkpoint(2))
      let saved = try folder.load(step: 2)
      func text(_ body: () throws -> Void) -> String? {
        #expect(throws: CheckpointFolderError.self, performing: body)?.description
      }
      #expect(
        text { _ = try folder.load(step: 5) }
          == "load checkpoint \(folder.path): none of step 5, there are 1, 2"
      )
      #expect(
        text { _ = try saved.tensors("ema") }
          == "\(saved.path): no tensors \"ema\", there are \"model\", \"optimizer\""
      )
      #expect(
        text { _ = try saved.value("lr", as: Int.self) }
          == "\(saved.path): no value \"lr\", there are \"extras\", \"seed\""
      )
      let wrong = text { _ = try saved.value("extras", as: [Int].self) }
      #expect(wrong?.hasPrefix("\(saved.path), value \"extras\": values.extras: ") == true)
      let inner = text { _ = try saved.value("seed", as: String.self) }
      #expect(inner?.hasPrefix("\(saved.path), value \"seed\": values.seed: ") == true)
    }
  }

  @Test func aValueThatDoesNotEncodeChangesNothing() throws {
    struct Stubborn: Encodable {
      func encode(to encoder: any Encoder) throws {
        throw EncodingError.invalidValue(
          self,
          .init(codingPath: encoder.codingPath, debugDescription: "will not")
        )
      }
    }
    try withTemporaryFolder { path in
      let folder = try CheckpointFolder(at: path)
      var bad = checkpoint(3)
      bad.values["stubborn"] = Stubborn()
      let error = #expect(throws: CheckpointFolderError.self) { try folder.save(bad) }
      #expect(
        error?.description
          == "\(folder.path)/step-000003, value \"stubborn\": values.stubborn: will not"
      )
      bad = checkpoint(3)
      bad.tensors["a/b"] = [:]
      #expect(throws: CheckpointFolderError.groupName("a/b")) { try folder.save(bad) }
      #expect(try names(in: path) == [])
    }
  }

  @Test func aFolderThatCannotBeMadeIsAnError() {
    #expect(throws: CheckpointFolderError.self) { try CheckpointFolder(at: "/proc/none/x") }
    // A place where nobody may write is not one that is missing.
    let error = CheckpointFolderError.file(.unwritable(path: "/sys/x", .notPermitted))
    #expect(throws: error) { try CheckpointFolder(at: "/sys/x") }
  }
}

@Suite struct CheckpointRetentionTests {
  @Test func theNewestStay() throws {
    try withTemporaryFolder { path in
      let folder = try CheckpointFolder(at: path, keeping: 2)
      for step in [1, 5, 1_000_000, 12_345_678] { try folder.save(checkpoint(step)) }
      #expect(folder.steps == [1_000_000, 12_345_678])
      #expect(try names(in: path) == ["step-1000000", "step-12345678"])
    }
  }

  @Test func theBestStaysBesideThem() throws {
    try withTemporaryFolder { path in
      let losses = [3.0, .nan, 1.0, 1.0, 2.0, 5.0]
      var folder = try CheckpointFolder(at: path + "/low", keeping: 1, best: .lowest("loss"))
      for (step, loss) in losses.enumerated() { try folder.save(checkpoint(step, loss: loss)) }
      #expect(folder.steps == [2, 5])
      #expect(try folder.bestCheckpoint()?.step == 2)
      folder = try CheckpointFolder(at: path + "/high", keeping: 1, best: .highest("loss"))
      for (step, loss) in losses.enumerated() { try folder.save(checkpoint(step, loss: loss)) }
      #expect(folder.steps == [5])
      folder = try CheckpointFolder(at: path + "/other", keeping: 1, best: .highest("x"))
      for (step, loss) in losses.enumerated() { try folder.save(checkpoint(step, loss: loss)) }
      #expect(folder.steps == [5])
      #expect(try folder.bestCheckpoint() == nil)
    }
  }

  @Test func aLoadedOneStaysAsLongAsItIsHeld() throws {
    try withTemporaryFolder { path in
      let folder = try CheckpointFolder(at: path, keeping: 1)
      try folder.save(checkpoint(1))
      do {
        let held = try folder.load(step: 1)
        for step in 2...4 { try folder.save(checkpoint(step)) }
        #expect(folder.steps == [1, 4])
        #expect(try held.model()["layer.weight"] == Tensor([1, 2, 1]))
      }
      try folder.save(checkpoint(5))
      #expect(folder.steps == [5])
    }
  }

  @Test func tensorsOutliveTheirCheckpoint() throws {
    try withTemporaryFolder { path in
      let folder = try CheckpointFolder(at: path, keeping: 1)
      try folder.save(checkpoint(1))
      let model = try folder.load(step: 1).model()
      try folder.save(checkpoint(2))
      #expect(folder.steps == [2])
      #expect(model["layer.weight"] == Tensor([1, 2, 1]))
    }
  }

  @Test func laterStepsAreInTheWayUntilTheyAreRemoved() throws {
    try withTemporaryFolder { path in
      let folder = try CheckpointFolder(at: path, keeping: 3)
      for step in [10, 20, 30] { try folder.save(checkpoint(step)) }
      let error = #expect(throws: CheckpointFolderError.self) { try folder.save(checkpoint(15)) }
      #expect(
        error?.description == "save checkpoint \(folder.path), step 15: there are later ones, "
          + "20, 30; resume from the latest, remove them with removeCheckpoints(after:), or "
          + "choose another folder"
      )
      #expect(folder.steps == [10, 20, 30])
      do {
        let held = try folder.load(step: 20)
        #expect(folder.removeCheckpoints(after: 10) == [20])
        #expect(held.step == 20)
      }
      #expect(folder.removeCheckpoints(after: 10) == [])
      try folder.save(checkpoint(15))
      #expect(folder.steps == [10, 15])
    }
  }

  @Test func theSameStepIsReplaced() throws {
    try withTemporaryFolder { path in
      let folder = try CheckpointFolder(at: path)
      try folder.save(checkpoint(1, loss: 1))
      try folder.save(checkpoint(1, loss: 2))
      #expect(try folder.latest()?.metrics["loss"] == 2)
      #expect(try names(in: path) == ["step-000001"])
    }
  }

  @Test func otherFilesAreLeftAlone() throws {
    try withTemporaryFolder { path in
      for name in ["step-1", "step-0000001", "step-abc", ".step-000001.apus-tmp", "notes"] {
        try FileManager.default.createDirectory(
          atPath: path + "/" + name,
          withIntermediateDirectories: true
        )
      }
      let before = try names(in: path)
      let folder = try CheckpointFolder(at: path, keeping: 1)
      #expect(folder.steps == [])
      for step in 1...3 { try folder.save(checkpoint(step)) }
      #expect(try names(in: path) == (before + ["step-000003"]).sorted())
    }
  }
}
