import Autograd
import Foundation
import Tensor
import TestSupport
import Testing
import Transformer

@Suite struct FineTuningTests {
  /// Pairs of bytes: a letter asks for the same letter three times.
  static let examples = TuningExamples(
    (0..<10).map { index in
      let letter = Int32(97 + index)
      let prompt = [Int32](repeating: letter, count: 1 + index % 3)
      let response = [Int32](repeating: letter + 1, count: 3 + index % 2)
      return TuningExample(
        tokens: prompt + response,
        isTarget: prompt.map { _ in false } + response.map { _ in true }
      )
    }
  )

  static var options: FineTuningOptions {
    var options = FineTuningOptions()
    options.epochs = 4
    options.batchSize = 2
    options.accumulation = 2
    options.learningRate = 1e-2
    options.warmUpSteps = 1
    options.checkpointInterval = 3
    options.evaluationInterval = 4
    return options
  }

  static func model(adapters: Bool = true) throws -> DecoderModel {
    let shape = PretrainingTests.configuration(.pre)
    let weights = InitialWeights(shape, using: Philox(seed: 3))
    let model = try DecoderModel(shape, weights: weights)
    if adapters {
      var generator = Philox(seed: 4)
      try model.addLowRankAdapters(rank: 2, alpha: 4, to: ["query", "down"], using: &generator)
    }
    return model
  }

  static func tuning(
    _ folder: String,
    _ options: FineTuningOptions = options,
    adapters: Bool = true,
    identity: [String: String] = ["method": "LoRA"]
  ) throws -> FineTuning {
    try FineTuning(
      at: folder,
      model: model(adapters: adapters),
      options,
      training: examples,
      validation: examples,
      identity: identity
    )
  }

  @Test(arguments: [true, false]) func aRunThatIsStoppedEndsAsOneThatIsNot(adapters: Bool) throws {
    try withTemporaryFolder { folder in
      let whole = try Self.tuning(folder + "/whole", adapters: adapters)
      #expect(whole.steps == 10)
      let expected = try whole.train()
      #expect(expected.ending == .finished && expected.step == 10)
      #expect(expected.losses.count == 10 && expected.validationLosses.map(\.step) == [4, 8, 10])
      #expect(expected.validationLossBefore != nil && expected.validationLoss != nil)
      #expect(expected.targets == 4 * Self.examples.report.targets)
      for stop in [1, 3, 7] {
        let path = folder + "/parts\(stop)"
        let first = try Self.tuning(path, adapters: adapters)
        var done = 0
        first.shouldStop = { done >= stop }
        let stopped = try first.train { done = $0.step }
        #expect(stopped.ending == .stopped && stopped.step == stop)
        let second = try Self.tuning(path, adapters: adapters)
        var report = try second.train()
        report.seconds = expected.seconds
        report.tokensPerSecond = expected.tokensPerSecond
        report.peakTensorBytes = expected.peakTensorBytes
        #expect(report == expected)
        #expect(second.model.state() == whole.model.state())
      }
    }
  }

  @Test func adaptersLearnAndTheBaseStays() throws {
    try withTemporaryFolder { folder in
      var options = Self.options
      options.epochs = 40
      let run = try Self.tuning(folder, options)
      let before = run.model.state()
      let report = try run.train()
      let (start, end) = (report.validationLossBefore ?? 0, report.validationLoss ?? 9)
      // Two small matrices a layer over a random base reach a part of what its weights would.
      #expect(end < start - 0.15, "\(start) → \(end)")
      #expect(report.trainableCount < report.parameterCount)
      for (name, value) in run.model.state() {
        let isAdapter = name.hasSuffix(".down") || name.hasSuffix(".up")
        #expect((value == before[name]) == !isAdapter, "\(name)")
      }
      let folder = try CheckpointFolder(at: folder + "/checkpoints")
      let saved = try #require(try folder.latest()).model()
      #expect(saved.count == 2 * run.model.lowRankAdapters.count)
      #expect(saved.keys.allSatisfy { $0.hasSuffix(".down") || $0.hasSuffix(".up") })
    }
  }

  /// The first step's loss does not depend on how its examples are cut into batches.
  @Test func aStepIsTheMeanOverItsTargets() throws {
    try withTemporaryFolder { folder in
      let losses = try [(10, 1), (3, 4), (5, 2)].map { size, accumulation in
        var options = Self.options
        options.steps = 1
        options.epochs = 1
        options.batchSize = size
        options.accumulation = accumulation
        let report = try Self.tuning(folder + "/\(size)", options).train()
        return try #require(report.losses.first)
      }
      // The order of examples differs, their set does not.
      expectClose(losses, [losses[0], losses[0], losses[0]], relative: 1e-5)
      let start = try Self.tuning(folder + "/start").validationLoss()
      expectClose([losses[0]], [try #require(start)], relative: 1e-5)
    }
  }

  @Test func aRunGoesOnOnlyAsItBegan() throws {
    try withTemporaryFolder { folder in
      _ = try Self.tuning(folder).train()
      var slower = Self.options
      slower.learningRate = 1e-3
      let others: [(String, () throws -> FineTuning)] = [
        ("identity.method", { try Self.tuning(folder, identity: ["method": "full"]) }),
        ("options.learningRate", { try Self.tuning(folder, slower) }),
        ("trained.", { try Self.tuning(folder, adapters: false) }),
        (
          "training",
          {
            let text = TokenFile((0..<40).map { Int32($0) }, vocabularyCount: 256)
            return try FineTuning(
              at: folder,
              model: try Self.model(),
              Self.options,
              training: TuningExamples(windowsOf: [text], length: 8),
              validation: Self.examples,
              identity: ["method": "LoRA"]
            )
          }
        ),
      ]
      for (key, other) in others {
        let error = try #require(throws: FineTuningError.self) { try other().train() }
        #expect(error.description.contains(key), "\(error)")
      }
      var watched = Self.options
      watched.checkpointInterval = 5
      #expect(try Self.tuning(folder, watched).train().ending == .finished)
    }
  }

  @Test func whatDoesNotFitIsSaid() throws {
    let frozen = try Self.model()
    frozen.freeze()
    #expect(throws: FineTuningError.self) {
      try FineTuning(at: "x", model: frozen, Self.options, training: Self.examples)
    }
    let long = TuningExample(
      tokens: [Int32](repeating: 1, count: 40),
      isTarget: [Bool](repeating: true, count: 40)
    )
    let foreign = TuningExample(tokens: [1, 300], isTarget: [true, true])
    for (example, part) in [(long, "context"), (foreign, "vocabulary")] {
      let error = try #require(throws: FineTuningError.self) {
        try FineTuning(
          at: "x",
          model: try Self.model(),
          Self.options,
          training: TuningExamples([example])
        )
      }
      #expect(error.description.contains(part))
    }
    var options = Self.options
    options.batchSize = 0
    let error = try #require(throws: FineTuningError.self) { try Self.tuning("x", options) }
    #expect(error.description.contains("batchSize"))
  }

  @Test func textIsTunedOnToo() throws {
    try withTemporaryFolder { folder in
      let (training, held) = PretrainingTests.text.split(holdingBack: 0.2)
      var options = Self.options
      options.steps = 12
      let run = try FineTuning(
        at: folder,
        model: try Self.model(adapters: false),
        options,
        training: TuningExamples(windowsOf: [training], length: 16),
        validation: TuningExamples(windowsOf: held, length: 16, count: 4)
      )
      let report = try run.train()
      #expect(report.totalSteps == 12 && report.trainableCount == report.parameterCount)
      let (before, after) = (report.validationLossBefore, report.validationLoss)
      #expect(try #require(after) < #require(before))
    }
  }
}

@Suite struct RecomputationTests {
  /// The loss and all gradients of a model on a padded batch.
  private func gradients(_ model: DecoderModel) -> (Float, [String: Tensor<Float>]) {
    let batch = FineTuningTests.examples[[0, 3, 4]]
    let loss = model.loss(batch.tokens, targets: batch.targets)
    loss.backward()
    var gradients: [String: Tensor<Float>] = [:]
    for entry in model.namedParameters() { gradients[entry.name] = entry.parameter.gradient }
    model.clearGradients()
    return (loss.item, gradients)
  }

  private func expectSame(_ model: DecoderModel, gradients count: Int) {
    let plain = gradients(model)
    model.recomputesBlocks = true
    let again = gradients(model)
    #expect(plain.0 == again.0)
    #expect(plain.1 == again.1)
    #expect(again.1.count == count)
  }

  @Test func gradientsAreThoseOfThePlainPass() throws {
    let model = try FineTuningTests.model(adapters: false)
    expectSame(model, gradients: model.parameters().count)
  }

  @Test func frozenModelsWithAdaptersHaveTheirGradients() throws {
    let model = try FineTuningTests.model()
    // A and B of two layers in three blocks.
    for (_, layer) in model.lowRankAdapters {
      var generator = Philox(seed: 9)
      layer.up.value = .normal(layer.up.shape, using: &generator)
    }
    expectSame(model, gradients: 12)
  }

  @Test(arguments: [0, 2]) func oneAdaptedBlockIsEnough(block: Int) throws {
    let model = try FineTuningTests.model(adapters: false)
    var generator = Philox(seed: 1)
    try model.addLowRankAdapters(rank: 1, using: &generator) {
      $0 == "blocks.\(block).attention.value"
    }
    expectSame(model, gradients: 2)
  }

  @Test func targetsThatDoNotCountChangeNothing() throws {
    let model = try FineTuningTests.model(adapters: false)
    let tokens = Tensor<Int32>([3, 4, 5, 6], shape: [1, 4])
    let all = model.loss(tokens, targets: Tensor([4, 5, 6, 7], shape: [1, 4])).item
    let parts = (0..<4).map { place in
      let targets = (0..<4).map { $0 == place ? Int32(4 + $0) : -100 }
      return model.loss(tokens, targets: Tensor(targets, shape: [1, 4])).item
    }
    expectClose([parts.reduce(0, +) / 4], [all], relative: 1e-5)
  }
}
