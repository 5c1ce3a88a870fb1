import Autograd
import Foundation
import Tensor
import TestSupport
import Testing

/// What a run leaves: everything that must be the same with and without interruptions.
private struct Outcome: Equatable {
  var model: [String: [UInt32]]
  var optimizer: [String: [UInt32]]
  var log: [String]
  var steps: [Int]
  var position: BatchPosition?
}

private func bits(_ state: [String: Tensor<Float>]) -> [String: [UInt32]] {
  state.mapValues { $0.elements.map(\.bitPattern) }
}

/// A run over spirals with all that can be resumed wrongly: momentum, noise, a buffer, a schedule,
/// epochs with a short batch at their end, accumulation, clipping.
private struct Sample {
  let folder: String
  let model = Perceptron(width: 8)
  let optimizer: SGD
  var run: TrainingRun
  let spirals = TwoSpirals(count: 50)
  static let steps = 40

  init(in folder: String) {
    self.folder = folder
    optimizer = SGD(model, learningRate: 0.1, momentum: .heavyBall(0.9))
    var options = TrainingOptions(seed: 7, steps: Self.steps)
    options.accumulation = 2
    options.maximumGradientNorm = 0.5
    options.evaluationInterval = 6
    options.checkpointInterval = 5
    options.keptCheckpoints = 2
    run = TrainingRun(at: folder, model: model, optimizer: optimizer, options: options)
    run.learningRate = { 0.2 / Float($0).squareRoot() }
    run.evaluation = { [model, spirals] in ["accuracy": model.accuracy(spirals.data)] }
  }

  var batches: Batches<TensorDataset<Float, Float>> {
    spirals.data.batches(of: 8, order: .shuffled(seed: 3))
  }

  /// The loss of points that are moved a little at random.
  func loss(
    _ batch: (Tensor<Float>, Tensor<Float>),
    _ step: inout TrainingStep
  ) -> Variable {
    let noise = Tensor.normal(batch.0.shape, using: &step.generator) * 0.01
    let loss = model.loss(batch.0 + noise, batch.1)
    step.measure("twice", 2 * loss.item)
    return loss
  }

  @discardableResult
  func train() throws -> TrainingReport { try run.train(on: batches) { loss($0, &$1) } }

  func outcome() throws -> Outcome {
    let records = try RunLog.read(run.logPath)
    let checkpoints = try CheckpointFolder(at: run.checkpointPath)
    return Outcome(
      model: bits(model.state()),
      optimizer: bits(optimizer.state()),
      log: records.map { "\($0.step) \($0.epoch) \($0.metrics.sorted { $0.key < $1.key })" },
      steps: checkpoints.steps,
      position: try checkpoints.latest()?.position
    )
  }

  static func uninterrupted() throws -> Outcome {
    try withTemporaryFolder { folder in
      let sample = Sample(in: folder)
      #expect(try sample.train().ending == .finished)
      return try sample.outcome()
    }
  }
}

@Suite struct TrainingRunTests {
  /// The real thing: the arms are told apart, the log and the report show how.
  @Test func aPerceptronLearnsTwoSpirals() throws {
    try withTemporaryFolder { folder in
      let (data, model) = (TwoSpirals(count: 256).data, Perceptron())
      var run = TrainingRun(
        at: folder,
        model: model,
        optimizer: SGD(model, learningRate: 0.3, momentum: .heavyBall(0.9)),
        options: TrainingOptions(seed: 1)
      )
      run.options.logInterval = 10
      run.evaluation = { ["accuracy": model.accuracy(data)] }
      let batches = data.batches(of: 32, order: .shuffled(seed: 1), epochs: 100)
      let report = try run.train(on: batches) { batch, _ in model.loss(batch.0, batch.1) }
      #expect(report.ending == .finished && report.step == 800 && report.resumedFrom == 0)
      let records = try RunLog.read(run.logPath)
      #expect(records.map(\.step) == Array(stride(from: 10, through: 800, by: 10)))
      // Guessing costs log 2 = 0.693.
      let losses = records.compactMap { $0.metrics["loss"] }
      #expect(losses[0] > 0.5)
      #expect(losses.suffix(8).reduce(0, +) / 8 < 0.1, "\(losses.suffix(8))")
      #expect(try #require(report.metrics["accuracy"]) >= 0.97)
      let page = CurveReport(title: "t", runs: [try .init(name: "spirals", log: run.logPath)])
      #expect(MarkupCheck(page.html()).fault == nil)
    }
  }

  /// Stopped at random steps again and again, with a new model and optimizer each time.
  @Test(arguments: 1...4)
  func aStoppedRunGoesOnAsIfNothingHadHappened(seed: UInt64) throws {
    let expected = try Sample.uninterrupted()
    try withTemporaryFolder { folder in
      var generator = Philox(seed: seed)
      for session in 0... {
        var sample = Sample(in: folder)
        var left = 1 + generator.integer(below: 15)
        sample.run.shouldStop = {
          left -= 1
          return left < 0
        }
        let report = try sample.train()
        #expect(session == 0 || report.resumedFrom > 0)
        if report.ending == .stopped { continue }
        #expect(session > 0)
        var found = try sample.outcome()
        // A stop saves a checkpoint of its own, which may be among the newest.
        #expect(found.steps.last == Sample.steps)
        found.steps = expected.steps
        #expect(found == expected)
        return
      }
    }
  }

  /// Killed in the middle of a step, without any chance to save.
  @Test(arguments: [1, 4, 5, 17, 23, 40])
  func aKilledRunGoesOnAsIfNothingHadHappened(step: Int) async throws {
    let expected = try Sample.uninterrupted()
    try await withTemporaryFolder { folder in
      await #expect(processExitsWith: .signal(SIGKILL)) {
        [folder = folder as String, step = step as Int] in
        let sample = Sample(in: folder)
        try sample.run.train(on: sample.batches) { batch, current in
          if current.step == step { kill(getpid(), SIGKILL) }
          return sample.loss(batch, &current)
        }
      }
      let sample = Sample(in: folder)
      let report = try sample.train()
      #expect(report.resumedFrom == (step - 1) / 5 * 5 && report.ending == .finished)
      #expect(try sample.outcome() == expected)
    }
  }

  /// Running the command once more does no harm.
  @Test func aFinishedRunIsTakenOverWithoutAStep() throws {
    try withTemporaryFolder { folder in
      let first = Sample(in: folder)
      try first.train()
      // A process that was killed before it removed an old checkpoint left it for the next one.
      let checkpoints = try CheckpointFolder(at: first.run.checkpointPath)
      try FileManager.default.copyItem(
        atPath: checkpoints.path(ofStep: 35),
        toPath: checkpoints.path(ofStep: 30)
      )
      let again = Sample(in: folder)
      let report = try again.run.train(on: again.batches) { _, _ in
        Issue.record("a step was done")
        return Variable(0)
      }
      #expect(report.step == Sample.steps && report.resumedFrom == Sample.steps)
      #expect(try again.outcome() == Sample.uninterrupted())
    }
  }

  /// Three batches of 8 and 2 count alike: the mean of their losses and gradients.
  @Test func accumulationAveragesBatches() throws {
    try withTemporaryFolder { folder in
      let (data, model) = (TwoSpirals(count: 10).data, Perceptron(width: 4))
      let twin = Perceptron(width: 4)
      let halves = [data[0..<8], data[8..<10]].map { twin.loss($0.tensors.0, $0.tensors.1) }
      let expected = (halves[0] + halves[1]) * 0.5
      expected.backward()
      var run = TrainingRun(
        at: folder,
        model: model,
        optimizer: SGD(model, learningRate: 1, momentum: .heavyBall(0.9)),
        options: TrainingOptions(seed: 1)
      )
      // Five batches a step, but the only epoch has two.
      run.options.accumulation = 5
      let before = model.hidden.weight.value
      let report = try run.train(on: data.batches(of: 8, order: .sequential, epochs: 1)) {
        batch,
        step in
        step.measure("rows", Float(batch.0.shape[0]))
        return model.loss(batch.0, batch.1)
      }
      #expect(report.step == 1 && report.metrics["rows"] == 5)
      #expect(abs((report.metrics["loss"] ?? 0) - Double(expected.item)) < 1e-6)
      let gradient = try #require(twin.hidden.weight.gradient)
      expectClose(before - model.hidden.weight.value, gradient, relative: 1e-5, absolute: 1e-7)
      let norm = gradientNorm(of: twin.parameters())
      #expect(abs((report.metrics["gradient norm"] ?? 0) - Double(norm)) < 1e-6)
      #expect(model.parameters().allSatisfy { $0.gradient == nil })
    }
  }

  @Test func evaluationRunsWhenDueWithoutATape() throws {
    try withTemporaryFolder { folder in
      var sample = Sample(in: folder)
      let (model, probe) = (sample.model, Parameter(.ones([1])))
      sample.run.options.steps = 14
      sample.run.evaluation = {
        #expect(!model.isTraining && !(probe.variable * 2).isFollowed)
        return ["count": Double(model.batchCount.value.item)]
      }
      try sample.train()
      #expect(model.isTraining)
      let records = try RunLog.read(sample.run.logPath)
      // Every sixth step and the last, two batches each.
      #expect(
        records.compactMap { record in record.metrics["count"].map { [record.step, Int($0)] } }
          == [[6, 12], [12, 24], [14, 28]]
      )
      #expect(records.count == 14)
    }
  }

  @Test func theBestCheckpointStays() throws {
    try withTemporaryFolder { folder in
      var sample = Sample(in: folder)
      var scores = [3.0, 1, 2, 5, 4, 6, 7, 8].makeIterator()
      sample.run.options.evaluationInterval = nil
      sample.run.options.best = .lowest("score")
      sample.run.evaluation = { ["score": scores.next() ?? .nan] }
      try sample.train()
      let checkpoints = try CheckpointFolder(
        at: sample.run.checkpointPath,
        best: .lowest("score")
      )
      #expect(checkpoints.steps == [10, 35, 40])
      #expect(try checkpoints.bestCheckpoint()?.metrics["score"] == 1)
    }
  }

  @Test func progressIsToldAfterEachStep() throws {
    try withTemporaryFolder { folder in
      var told: [TrainingProgress] = []
      var sample = Sample(in: folder)
      sample.run.progress = { told.append($0) }
      try sample.train()
      #expect(told.map(\.step) == Array(1...Sample.steps))
      #expect(told.allSatisfy { $0.total == Sample.steps && $0.metrics["loss"] != nil })
      #expect(told.last?.fraction == 1 && told.last?.epoch == 11)
    }
  }
}
