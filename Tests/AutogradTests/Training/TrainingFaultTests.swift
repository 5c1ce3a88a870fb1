import Autograd
import Foundation
import Tensor
import TestSupport
import Testing

private struct Fault: Error, Equatable {}

/// A small run over spirals that saves every third step.
private struct Sample {
  let model: Perceptron
  var run: TrainingRun
  let batches = TwoSpirals(count: 24).data.batches(of: 8, order: .shuffled(seed: 3), epochs: 4)

  init(in folder: String, seed: UInt64 = 7, width: Int = 4) {
    model = Perceptron(width: width)
    var options = TrainingOptions(seed: seed)
    options.checkpointInterval = 3
    run = TrainingRun(
      at: folder,
      model: model,
      optimizer: SGD(model, learningRate: 0.1, momentum: .heavyBall(0.9)),
      options: options
    )
  }

  @discardableResult
  func train(
    _ change: (_ loss: Variable, _ step: Int) throws -> Variable = { loss, _ in loss }
  ) throws -> TrainingReport {
    try run.train(on: batches) { batch, step in
      try change(model.loss(batch.0, batch.1), step.step)
    }
  }
}

private func error(of body: () throws -> Void) throws -> TrainingError {
  try #require(throws: TrainingError.self, performing: body)
}

@Suite struct TrainingFaultTests {
  /// The third factor is 0 · ∞ in the loss, or ∞ in the gradient alone.
  @Test(arguments: [("loss", Float.nan), ("loss", .infinity), ("gradient norm", .infinity)])
  func aRunThatDivergesSaysWhereAndKeepsItsState(quantity: String, value: Float) throws {
    try withTemporaryFolder { folder in
      let sample = Sample(in: folder)
      var before: [String: Tensor<Float>] = [:]
      let found = try error {
        try sample.train { loss, step in
          guard step == 8 else { return loss }
          before = sample.model.state()
          guard quantity == "loss" else {
            return .custom(loss.value, input: loss) { $0 * value }
          }
          return loss * value
        }
      }
      guard case .diverged(8, quantity, let last, 6) = found else {
        Issue.record("\(found)")
        return
      }
      #expect(last.isNaN == value.isNaN || quantity != "loss")
      #expect("\(found)".hasPrefix("training, step 8: the \(quantity) is "))
      #expect("\(found)".hasSuffix("; the newest checkpoint is of step 6"))
      before["batchCount"] = nil
      #expect(sample.model.state().filter { $0.key != "batchCount" } == before)
      #expect(sample.model.parameters().allSatisfy { $0.gradient == nil })
      let record = try #require(try RunLog.read(sample.run.logPath).last)
      #expect(record.step == 8 && record.metrics[quantity]?.isFinite == false)
      // Without the fault it goes on, and the log is whole.
      let again = Sample(in: folder)
      #expect(try again.train().resumedFrom == 6)
      #expect(try RunLog.read(again.run.logPath).map(\.step) == Array(1...12))
    }
  }

  @Test func aSecondRunInTheFolderIsRefused() throws {
    try withTemporaryFolder { folder in
      let first = Sample(in: folder)
      var refused: TrainingError?
      try first.train { loss, step in
        if step == 5 { refused = try error { try Sample(in: folder).train() } }
        return loss
      }
      guard case .inUse(folder) = refused else {
        Issue.record("\(String(describing: refused))")
        return
      }
      // The first is undisturbed, and afterwards the folder is free.
      #expect(try RunLog.read(first.run.logPath).map(\.step) == Array(1...12))
      #expect(try Sample(in: folder).train().resumedFrom == 12)
    }
  }

  @Test func aRunThatDivergesAtOnceHasNoCheckpoint() throws {
    try withTemporaryFolder { folder in
      let found = try error { try Sample(in: folder).train { loss, _ in loss * .nan } }
      #expect("\(found)" == "training, step 1: the loss is nan; there is no checkpoint")
    }
  }

  @Test func errorsOfTheCallerCarryTheStep() throws {
    try withTemporaryFolder { folder in
      var sample = Sample(in: folder)
      let found = try error {
        try sample.train { loss, step in
          if step == 5 { throw Fault() }; return loss
        }
      }
      guard case .failed(5, let inner) = found else {
        Issue.record("\(found)")
        return
      }
      #expect(inner is Fault)
      sample.run.evaluation = { throw Fault() }
      let second = try error { try sample.train() }
      guard case .failed(6, _) = second else {
        Issue.record("\(second)")
        return
      }
    }
  }

  @Test func anotherRunIsNotResumed() throws {
    try withTemporaryFolder { folder in
      try Sample(in: folder).train()
      let found = try error { try Sample(in: folder, seed: 8).train() }
      #expect(
        "\(found)" == "resume \(folder): its checkpoint is of another run: seed 7, now 8; choose "
          + "another folder"
      )
      var other = Sample(in: folder)
      other.run.options.maximumGradientNorm = 1
      let second = try error { try other.train() }
      #expect("\(second)".contains("maximum gradient norm none, now 1.0"))
    }
  }

  @Test func aStateThatDoesNotFitIsNamed() throws {
    try withTemporaryFolder { folder in
      try Sample(in: folder).train()
      let found = try error { try Sample(in: folder, width: 5).train() }
      #expect("\(found)".contains("\"hidden.weight\" is [4×2], expected [5×2]"))
    }
  }

  @Test func twoRunsDoNotShareAFolder() throws {
    try withTemporaryFolder { folder in
      let log = try RunLog(path: folder + "/log.jsonl")
      let found = try error { try Sample(in: folder).train() }
      guard case .log(.file) = found else {
        Issue.record("\(found)")
        return
      }
      #expect(log.last == nil)
    }
  }

  @Test func aCancelledTaskStopsAndSaves() async throws {
    try await withTemporaryFolder { folder in
      let task = Task { () -> TrainingReport in
        try Sample(in: folder).train { loss, step in
          if step == 5 { withUnsafeCurrentTask { $0?.cancel() } }
          return loss
        }
      }
      let report = try await task.value
      #expect(report.ending == .stopped && report.step == 5)
      #expect(try CheckpointFolder(at: folder + "/checkpoints").steps == [3, 5])
    }
  }

  @Test func aRunThatStopsBeforeItsFirstStepLeavesNoCheckpoint() throws {
    try withTemporaryFolder { folder in
      var sample = Sample(in: folder)
      sample.run.shouldStop = { true }
      let report = try sample.train()
      #expect(report.step == 0 && report.ending == .stopped)
      #expect(try CheckpointFolder(at: sample.run.checkpointPath).latest() == nil)
    }
  }

  /// A counter of the caller's that steps depend on.
  @Test func theCallersStateTravelsWithTheCheckpoint() throws {
    try withTemporaryFolder { folder in
      for session in 0..<2 {
        var sample = Sample(in: folder)
        var count = 0
        var left = 5
        sample.run.shouldStop = {
          left -= 1
          return session == 0 && left < 0
        }
        sample.run.willSave = { $0.values["count"] = count }
        sample.run.didResume = { count = try $0.value("count", as: Int.self) }
        try sample.train { loss, _ in
          count += 1
          return loss
        }
        #expect(count == (session == 0 ? 5 : 12))
      }
    }
  }
}

@Suite struct GradientNormTests {
  private func parameter(_ gradient: [Float]?) -> Parameter {
    let parameter = Parameter(.zeros([gradient?.count ?? 3]))
    parameter.gradient = gradient.map { Tensor($0) }
    return parameter
  }

  @Test(arguments: [0, 1, 3, 8, 17, 1 << 15, (1 << 15) + 5, 100_003])
  func theNormIsThatOfAllGradients(count: Int) {
    var generator = Philox(seed: UInt64(count))
    let values = (0..<count).map { _ in generator.uniform() - 0.5 }
    let expected = (values.reduce(9.0) { $0 + Double($1) * Double($1) }).squareRoot()
    let norm = gradientNorm(of: [parameter(values), parameter(nil), parameter([3])])
    expectClose([Double(norm)], [expected], relative: 1e-6)
  }

  @Test func largeGradientsAreScaledToTheLimit() throws {
    let parameters = [parameter([3, 0]), parameter(nil), parameter([4])]
    #expect(clipGradients(of: parameters, to: 10) == 5)
    #expect(parameters[0].gradient?.elements == [3, 0])
    #expect(clipGradients(of: parameters, to: 1) == 5)
    expectClose(try #require(parameters[0].gradient), Tensor([0.6, 0]), relative: 1e-6)
    expectClose(try #require(parameters[2].gradient), Tensor([0.8]), relative: 1e-6)
    #expect(parameters[1].gradient == nil)
  }

  @Test func whatIsNotFiniteShowsAndChangesNothing() {
    #expect(gradientNorm(of: [parameter([.nan, 1])]).isNaN)
    let parameters = [parameter([.infinity, 1])]
    #expect(clipGradients(of: parameters, to: 1) == .infinity)
    #expect(parameters[0].gradient?.elements == [.infinity, 1])
    // No float overflows its square.
    #expect(gradientNorm(of: [parameter([1e30])]) == 1e30)
  }
}
