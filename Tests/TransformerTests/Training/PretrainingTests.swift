import Autograd
import Checkpoints
import Foundation
import Tensor
import TestSupport
import Testing
import Transformer

@Suite struct PretrainingTests {
  static let text = TokenFile(
    bytes: Array(
      String(repeating: "Well, Prince, so Genoa and Lucca are now just family estates. ", count: 40)
        .utf8
    )
  )

  static func configuration(_ placement: NormPlacement) -> TransformerConfiguration {
    var shape = TransformerConfiguration(
      family: .apus,
      vocabularyCount: 256,
      hiddenWidth: 24,
      feedForwardWidth: 40,
      blockCount: 3,
      headCount: 2,
      contextLength: 32
    )
    shape.placement = placement
    shape.hasFinalNorm = placement != .post
    shape.normalizesEmbedding = placement == .peri
    return shape
  }

  static var options: PretrainingOptions {
    var options = PretrainingOptions()
    options.steps = 12
    options.batchSize = 2
    options.length = 16
    options.stride = 1
    options.learningRate = 3e-3
    options.warmUpSteps = 3
    options.validationWindows = 4
    options.probeInterval = 4
    options.checkpointInterval = 3
    return options
  }

  func pretraining(_ folder: String, _ options: PretrainingOptions = options) throws -> Pretraining
  {
    let (training, held) = Self.text.split(holdingBack: 0.2)
    return try Pretraining(
      at: folder,
      Self.configuration(.peri),
      options,
      training: [training],
      validation: held
    )
  }

  @Test func aRunThatIsStoppedEndsAsOneThatIsNot() throws {
    try withTemporaryFolder { folder in
      let whole = try pretraining(folder + "/whole")
      let expected = try whole.train()
      #expect(expected.ending == .finished && expected.step == 12)
      #expect(expected.probes.map(\.step) == [0, 4, 8, 12])
      #expect(expected.losses.count == 12 && expected.validationLoss != nil)
      #expect(try #require(expected.losses.last) < expected.losses[0])

      for stop in [1, 4, 5, 11] {
        let path = folder + "/parts\(stop)"
        let first = try pretraining(path)
        var steps = 0
        first.shouldStop = {
          defer { steps += 1 }
          return steps == stop
        }
        let stopped = try first.train()
        #expect(stopped.ending == .stopped && stopped.step == stop)
        #expect(stopped.validationLoss == nil)
        let second = try pretraining(path)
        var report = try second.train()
        report.seconds = expected.seconds
        #expect(report == expected)
        #expect(second.model.state() == whole.model.state())
      }
    }
  }

  @Test func aSavedModelIsTheModel() throws {
    try withTemporaryFolder { folder in
      let run = try pretraining(folder + "/run")
      _ = try run.train()
      try run.model.save(to: URL(filePath: folder + "/model"))
      let pretrained = try PretrainedModel(at: URL(filePath: folder + "/model"))
      #expect(pretrained.configuration == run.model.configuration)
      let loaded = try pretrained.makeModel()
      let tokens = Self.text[0..<16]
      let expected = run.model(tokens, cache: run.model.makeCache())
      #expect(loaded(tokens, cache: loaded.makeCache()) == expected)
    }
  }

  @Test func divergenceIsAResult() throws {
    try withTemporaryFolder { folder in
      var options = Self.options
      options.learningRate = 1e30
      options.maximumGradientNorm = nil
      options.warmUpSteps = 0
      options.probeInterval = nil
      let report = try pretraining(folder, options).train()
      #expect(report.ending == .diverged && report.step < 12 && report.validationLoss == nil)
    }
  }

  @Test func divergedCellsAreResultsOfAStudy() throws {
    try withTemporaryFolder { folder in
      var options = Self.options
      options.maximumGradientNorm = nil
      options.warmUpSteps = 0
      options.probeInterval = nil
      let plan = PlacementStudy.Plan(
        configuration: Self.configuration(.pre),
        options: options,
        variants: [.init(.pre, normalizesEmbedding: false)],
        learningRates: [1e30, 1e30],
        seeds: [0, 0]
      )
      #expect(plan.cells.count == 1, "what is named twice counts once")
      let (training, held) = Self.text.split(holdingBack: 0.2)
      let study = try PlacementStudy(at: folder, plan: plan)
      #expect(try study.run(training: [training], validation: held))
      let results = try PlacementStudy(at: folder).results()
      #expect(results.map(\.report.ending) == [.diverged])
      // A process that was killed behind a result left what it needed to go on.
      let checkpoints = "\(folder)/\(plan.cells[0].name)/checkpoints"
      try FileManager.default.createDirectory(
        atPath: checkpoints,
        withIntermediateDirectories: true
      )
      #expect(try study.run(training: [training], validation: held))
      #expect(!FileManager.default.fileExists(atPath: checkpoints))
      // Other texts do not belong to the study.
      #expect(throws: PretrainingError.self) {
        try study.run(training: [held], validation: training)
      }
      // Σ −p log p of the held text's bytes, by counting.
      let bytes = held[0..<held.count]
      let shares = Dictionary(grouping: bytes) { $0 }.values.map {
        Double($0.count) / Double(bytes.count)
      }
      let entropy = try #require(try study.unigramEntropy())
      #expect(abs(entropy + shares.reduce(0) { $0 + $1 * log($1) }) < 1e-9)
    }
  }

  @Test func aRunGoesOnOnlyAsItBegan() throws {
    try withTemporaryFolder { folder in
      _ = try pretraining(folder).train()
      var changes: [(String, (inout PretrainingOptions) -> Void)] = []
      changes.append(("options.learningRate", { $0.learningRate = 0.5 }))
      changes.append(("options.weightDecay", { $0.weightDecay = 0.9 }))
      changes.append(("options.steps", { $0.steps = 6 }))
      changes.append(("options.frozen", { $0.frozen = ["out_norm"] }))
      for (key, change) in changes {
        var options = Self.options
        change(&options)
        let error = #expect(throws: PretrainingError.self) {
          try pretraining(folder, options).train()
        }
        #expect(error?.description.contains(key) == true, "\(key)")
      }
      let (held, training) = Self.text.split(holdingBack: 0.5)
      let other = try Pretraining(
        at: folder,
        Self.configuration(.peri),
        Self.options,
        training: [training],
        validation: held
      )
      #expect(throws: PretrainingError.self) { try other.train() }
      var watched = Self.options
      watched.probeInterval = 3
      #expect(try pretraining(folder, watched).train().ending == .finished)
    }
  }

  @Test func whatCannotBeFrozenIsSaid() throws {
    for pattern in ["nosuchname", "."] {
      var options = Self.options
      options.frozen = [pattern]
      #expect(throws: PretrainingError.self, "\(pattern)") { try pretraining("x", options) }
    }
  }

  @Test func frozenParametersStay() throws {
    try withTemporaryFolder { folder in
      var options = Self.options
      options.frozen = ["out_norm"]
      let run = try pretraining(folder, options)
      _ = try run.train()
      for (name, value) in run.model.state() where name.contains("norm") || name.contains("Norm") {
        let isFrozen = name.contains("out_norm")
        #expect(value.elements.allSatisfy { $0 == 1 } == isFrozen, "\(name)")
      }
    }
  }

  @Test func whatDoesNotFitIsSaid() throws {
    var small = Self.configuration(.pre)
    small.vocabularyCount = 100
    #expect(throws: PretrainingError.self) {
      try Pretraining(at: "x", small, Self.options, training: [Self.text], validation: Self.text)
    }
    var options = Self.options
    options.length = 33
    #expect(throws: PretrainingError.self) { try pretraining("x", options) }
    options.length = 32
    #expect(throws: PretrainingError.self) {
      try Pretraining(
        at: "x",
        Self.configuration(.pre),
        options,
        training: [TokenFile(bytes: [1, 2, 3])],
        validation: Self.text
      )
    }
  }

  @Test func aSpikeStandsOutOfTheLossesBefore() {
    var losses = (0..<60).map { step -> Double in
      let noise = step % 2 == 0 ? 0.01 : -0.01
      return 3 - 0.01 * Double(step) + noise
    }
    #expect(lossSpikes(losses) == [])
    losses[40] += 1
    #expect(lossSpikes(losses) == [41])
    losses[50] = .nan
    #expect(lossSpikes(losses).contains(51))
  }
}

@Suite struct TokenFileTests {
  @Test func filesComeBack() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/tokens"
      let words = TokenFile([3, 0, 299, 7], vocabularyCount: 300, tokenizer: "abc")
      try words.write(to: path)
      let read = try TokenFile(path: path)
      #expect(read[0..<4] == [3, 0, 299, 7])
      #expect(read.vocabularyCount == 300 && read.tokenizer == "abc" && read.count == 4)
      try TokenFile(bytes: [0, 255, 9]).write(to: path)
      #expect(try TokenFile(path: path)[1..<3] == [255, 9])
    }
  }

  @Test func foreignFilesAreRefused() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/tokens"
      try SafetensorsFile.write(["tokens": Tensor<Float>([1], shape: [1])], to: path)
      #expect(throws: CheckpointError.self) { try TokenFile(path: path) }
      try SafetensorsFile.write(
        [SafetensorsItem("tokens", Tensor<Int32>([5, 9], shape: [2]))],
        metadata: ["vocabulary": "9"],
        to: path
      )
      #expect(throws: CheckpointError.self) { try TokenFile(path: path) }
      #expect(throws: CheckpointError.self) { try TokenFile(path: folder + "/none") }
    }
  }

  @Test func windowsReadWhatFollows() {
    let file = TokenFile((0..<10).map { Int32($0) }, vocabularyCount: 10)
    let windows = TokenWindows([file, file], length: 4, stride: 2)
    #expect(windows.count == 6)
    let batch = windows[[0, 2, 3]]
    #expect(batch.tokens.elements == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3])
    #expect(batch.targets.elements == [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4])
    #expect(TokenWindows([file], length: 4, stride: 1).count == 6)
    #expect(TokenWindows([file], length: 10, stride: 1).count == 0)
    let evenly = TokenWindows(file, length: 3, count: 3)
    #expect(evenly[[0, 1, 2]].tokens.elements == [0, 1, 2, 2, 3, 4, 4, 5, 6])
  }
}
